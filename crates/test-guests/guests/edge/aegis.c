// Edge functions that answer with what they got over HTTP, or from the cache; one that fails.

#define HOSTCALL(name) __attribute__((import_module("env"), import_name(#name))) int name
#define FUNCTION(name) __attribute__((export_name(name))) int

HOSTCALL(cache_get)(const char *key, unsigned key_len);
HOSTCALL(cache_set)(const char *key, unsigned key_len, const char *value, unsigned value_len, int seconds);
HOSTCALL(get_shared_buffer)(void *to, unsigned offset, unsigned len);
HOSTCALL(http_delete)(const char *url, unsigned len);
HOSTCALL(http_get)(const char *url, unsigned len);
HOSTCALL(http_post)(const char *url, unsigned len, const char *body, unsigned body_len, const char *type, unsigned type_len);
HOSTCALL(http_put)(const char *url, unsigned len, const char *body, unsigned body_len, const char *type, unsigned type_len);
HOSTCALL(request_get_header)(const char *name, unsigned len);
HOSTCALL(request_terminate)(int status);
HOSTCALL(response_set_body)(const char *body, unsigned len);

#define TEXT(text) text, sizeof(text) - 1

static char url[1024], result[8192];
static int url_len;

// Takes the URL from the request: the buffer holds one thing at a time.
static const char *asked(void) {
    url_len = request_get_header(TEXT("x-url"));
    if (url_len < 0 || url_len > (int)sizeof(url) || get_shared_buffer(url, 0, url_len) != url_len) __builtin_trap();
    return url;
}

static int answer(int len) {
    if (len < 0) {
        response_set_body(TEXT("-1"));
        return request_terminate(200);
    }
    if (len > (int)sizeof(result) || get_shared_buffer(result, 0, len) != len) __builtin_trap();
    response_set_body(result, len);
    return request_terminate(200);
}

FUNCTION("get") get(void) {
    const char *at = asked();
    return answer(http_get(at, url_len));
}

FUNCTION("delete") delete(void) {
    const char *at = asked();
    return answer(http_delete(at, url_len));
}

FUNCTION("post") post(void) {
    const char *at = asked();
    return answer(http_post(at, url_len, TEXT("{\"posted\":true}"), TEXT("application/json")));
}

FUNCTION("put") put(void) {
    const char *at = asked();
    return answer(http_put(at, url_len, TEXT("put text"), TEXT("text/plain")));
}

// Answers from the cache, and leaves a value there when it has none.
FUNCTION("look_up") look_up(void) {
    int len = cache_get(TEXT("key"));
    if (len >= 0) return answer(len);
    return cache_set(TEXT("key"), TEXT("cached"), 60);
}

FUNCTION("fail") fail(void) {
    return 7;
}
