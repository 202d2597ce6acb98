/* Does what the first letter of its input says, without the help of a standard library that is careful. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const size_t MEGABYTE = 1 << 20;

/* Takes memory until there is none, and goes on without. */
static int grow(void) {
    size_t taken = 0;
    for (char *block; (block = malloc(MEGABYTE)) != NULL; taken++) {
        memset(block, 1, MEGABYTE);
    }
    printf("%s", taken > 0 && taken < 4096 ? "refused" : "taken");
    return 0;
}

/* Writes all that fits into memory at once. */
static int gush(void) {
    size_t size = 64 * MEGABYTE;
    char *block = malloc(size);
    if (block == NULL) {
        return 9;
    }
    memset(block, 'x', size);
    ssize_t written = write(STDOUT_FILENO, block, size);
    return written < 0 ? 8 : 0;
}

/* Looks at every file that may be open, and at what a process is given. */
static int look(void) {
    char buffer[16];
    int open_files = 0;
    for (int file = 3; file < 64; file++) {
        open_files += read(file, buffer, sizeof buffer) >= 0;
    }
    DIR *directory = opendir("/");
    int file = open("/etc/passwd", O_RDONLY);
    printf("files %d directory %d file %d environment %d", open_files, directory != NULL, file >= 0, environ[0] != NULL);
    return 0;
}

static int recurse(volatile int depth) {
    return depth == -1 ? 0 : recurse(depth + 1) + 1;
}

int main(void) {
    switch (getchar()) {
    case 'g': return grow();
    case 'u': return gush();
    case 'l': return look();
    case 'r': return recurse(0);
    case 'a': abort();
    case 'e': exit(70);
    default: return 1;
    }
}
