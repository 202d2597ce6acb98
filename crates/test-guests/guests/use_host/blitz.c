/* Tells in headers what it got from the host, each text by another convention. With the header `x-raw` it passes on
 * whatever numbers are there. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

struct text {
    char *ptr;
    uint32_t len;
};

IMPORT("log") void host_log(const char *level, uint32_t level_len, const char *message, uint32_t message_len);
IMPORT("set_header") void host_set(const char *name, uint32_t name_len, const char *value, uint32_t value_len);
IMPORT("get_header") int32_t host_header(const char *name, uint32_t name_len, char *buffer, uint32_t capacity);
IMPORT("get_env") void host_env(struct text *result, const char *name, uint32_t name_len);
IMPORT("get_body") uint64_t host_body(void);

static void set(const char *name, const char *value, uint32_t len) {
    host_set(name, strlen(name), value, len);
}

static int32_t header(const char *name, char *buffer, uint32_t capacity) {
    return host_header(name, strlen(name), buffer, capacity);
}

/* One hostcall with the numbers of "function a b c d". */
static int raw(const char *numbers) {
    char function[8];
    uint32_t a, b, c, d;
    if (sscanf(numbers, "%7s %u %u %u %u", function, &a, &b, &c, &d) != 5)
        return -4;
    char *first = (char *)(uintptr_t)a, *second = (char *)(uintptr_t)c;
    if (strcmp(function, "log") == 0)
        host_log(first, b, second, d);
    else if (strcmp(function, "set") == 0)
        host_set(first, b, second, d);
    else if (strcmp(function, "header") == 0)
        host_header(first, b, second, d);
    else if (strcmp(function, "env") == 0)
        host_env((struct text *)second, first, b);
    return 0;
}

EXPORT("init") int init(void) {
    fprintf(stderr, "starts with a C library\n");
    return 1;
}

EXPORT("process_request") int process_request(const char *method, uint32_t method_len, const char *path, uint32_t path_len) {
    char buffer[256], told[256];
    int32_t len = header("x-raw", buffer, sizeof buffer - 1);
    if (len >= 0) {
        buffer[len] = 0;
        len = snprintf(told, sizeof told, "%zu", (size_t)__builtin_wasm_memory_size(0) << 16);
        set("x-size", told, len);
        return raw(buffer);
    }
    len = snprintf(told, sizeof told, "%.*s %.*s", (int)method_len, method, (int)path_len, path);
    set("x-seen", told, len);

    len = header("x-variable", buffer, sizeof buffer);
    struct text value = {0};
    host_env(&value, buffer, len < 0 ? 0 : len);
    len = snprintf(told, sizeof told, "[%.*s]", (int)value.len, value.ptr);
    free(value.ptr);
    set("x-env", told, len);

    int32_t absent = header("x-absent", buffer, sizeof buffer);
    int32_t cut = header("x-many", buffer, 2);
    len = snprintf(told, sizeof told, "[%.2s of %d] [%d]", buffer, cut, absent);
    set("x-headers", told, len);

    uint64_t body = host_body();
    set("x-body", (char *)(uintptr_t)(uint32_t)body, body >> 32);
    free((void *)(uintptr_t)(uint32_t)body);
    return 0;
}

EXPORT("process_response") int process_response(int status, const char *body, uint32_t body_len) {
    char told[256];
    int len = snprintf(told, sizeof told, "%d %.*s", status, (int)body_len, body);
    set("x-seen", told, len);
    uint64_t again = host_body();
    int same = again >> 32 == body_len && memcmp((char *)(uintptr_t)(uint32_t)again, body, body_len) == 0;
    free((void *)(uintptr_t)(uint32_t)again);
    set("x-same", same ? "true" : "false", same ? 4 : 5);
    return 0;
}
