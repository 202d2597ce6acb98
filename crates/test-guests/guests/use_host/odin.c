// Calls every function of the host, and answers with what it was given. The C library's allocator is exported.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(name)))

typedef struct {
    uint32_t status;
    const char *headers;
    uint32_t headers_len;
    const char *body;
    uint32_t body_len;
} Response;

IMPORT("log") void host_log(const char *message, int length);
IMPORT("get_time") int64_t host_get_time(void);
IMPORT("get_config") char *host_get_config(const char *key);
IMPORT("http_call")
Response *host_http_call(const char *method, const char *url, const char *headers, const char *body);

static char output[4096];
static int was_initialised;

static void say(const char *text) { host_log(text, (int)strlen(text)); }

__attribute__((export_name("init"))) int init(void) {
    was_initialised = 1;
    say("init");
    return 7;
}

__attribute__((export_name("cleanup"))) void cleanup(void) { say("cleanup"); }

// A copy in which quotes are told as apostrophes, so that it can be put into JSON.
static char *plain(const char *text) {
    char *copy = strdup(text ? text : "none");
    for (char *at = copy; *at; at++) {
        if (*at == '"') *at = '\'';
    }
    return copy;
}

__attribute__((export_name("execute"))) uint64_t execute(const char *input, uint32_t size) {
    (void)input;
    (void)size;
    char *text = host_get_config("text");
    char *list = host_get_config("list");
    char *absent = host_get_config("absent");
    char *url = host_get_config("url");
    Response *response =
        url ? host_http_call("POST", url, "{\"x-from\":\"odin\",\"x-many\":[\"1\",\"2\"]}", "sent") : NULL;
    char *shown_list = plain(list), *shown_headers = plain(response ? response->headers : NULL);
    snprintf(output, sizeof output,
             "{\"continue\":false,\"response\":{\"statusCode\":200,\"headers\":{"
             "\"x-init\":[\"%d\"],\"x-time\":[\"%lld\"],\"x-text\":[\"%s\"],\"x-list\":[\"%s\"],\"x-absent\":[\"%s\"],"
             "\"x-call-status\":[\"%u\"],\"x-call-headers\":[\"%s\"],\"x-call-body\":[\"%.*s\"]}}}",
             was_initialised, (long long)host_get_time(), text ? text : "none", shown_list, absent ? absent : "none",
             response ? response->status : 0, shown_headers, response ? (int)response->body_len : 0,
             response ? response->body : "");
    if (response) {
        free((void *)response->headers);
        free((void *)response->body);
    }
    free(response);
    free(text);
    free(list);
    free(absent);
    free(url);
    free(shown_list);
    free(shown_headers);
    return (uint64_t)(uint32_t)output | (uint64_t)strlen(output) << 32;
}
