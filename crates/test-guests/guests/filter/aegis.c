// Ends requests without the secret with 401, else marks the request: the filter that hosts are measured with.

#define HOSTCALL(name) __attribute__((import_module("env"), import_name(#name))) int name

HOSTCALL(get_shared_buffer)(void *to, unsigned offset, unsigned len);
HOSTCALL(request_get_header)(const char *name, unsigned len);
HOSTCALL(request_set_header)(const char *name, unsigned len, const char *value, unsigned value_len);
HOSTCALL(request_terminate)(int status);

#define LENGTH(text) (sizeof(text) - 1)

static const char NAME[] = "authorization";
static const char SECRET[] = "Bearer secret";
static const char MARK[] = "x-plugin";

static int knows_the_secret(void) {
    char value[LENGTH(SECRET)];
    int len = request_get_header(NAME, LENGTH(NAME));
    if (len != LENGTH(SECRET) || get_shared_buffer(value, 0, len) != len) return 0;
    for (int at = 0; at < len; at++) {
        if (value[at] != SECRET[at]) return 0;
    }
    return 1;
}

__attribute__((export_name("main"))) int filter(void) {
    if (knows_the_secret()) return request_set_header(MARK, LENGTH(MARK), "1", 1);
    return request_terminate(401);
}
