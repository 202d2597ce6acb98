// Gives pointer and size back as two values. It has no allocator and needs none: its output is a constant, told apart by
// the first letter of the request's method.

typedef unsigned int u32;
typedef struct {
    u32 ptr;
    u32 size;
} Pair;

static const char passes[] = "{\"Modified\":true,\"Continue\":true,\"Response\":{\"Headers\":{\"X-Pair\":[\"1\"]}}}";
static const char blocks[] = "{\"error\":\"blocked\"}";

static int begins_with(const char *text, const char *with) {
    while (*with && *text == *with) {
        text++;
        with++;
    }
    return !*with;
}

__attribute__((export_name("execute"))) Pair execute(const char *input, u32 size) {
    static const char get[] = "\"method\":\"GET\"";
    for (u32 at = 0; at + sizeof get - 1 <= size; at++) {
        if (begins_with(input + at, get)) {
            Pair pair = {(u32)passes, sizeof passes - 1};
            return pair;
        }
    }
    Pair pair = {(u32)blocks, sizeof blocks - 1};
    return pair;
}
