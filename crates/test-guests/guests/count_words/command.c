/* Counts the lines, words and bytes of its input. Without any it fails. */

#include <ctype.h>
#include <stdio.h>

int main(int argc, char **argv) {
    size_t lines = 0, words = 0, bytes = 0;
    int in_word = 0;
    for (int c; (c = getchar()) != EOF; bytes++) {
        lines += c == '\n';
        words += !isspace(c) && !in_word;
        in_word = !isspace(c);
    }
    if (bytes == 0) {
        fprintf(stderr, "%s: nothing to count\n", argc > 0 ? argv[0] : "nobody");
        return 2;
    }
    printf("%zu %zu %zu\n", lines, words, bytes);
    return 0;
}
