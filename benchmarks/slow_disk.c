/* A disk that takes its time over checkpoints, for LD_PRELOAD: so that a process can be killed in the middle of one.

   gcc -shared -fPIC -o slow_disk.so slow_disk.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE 4000   /* Microseconds a piece that is written, */
#define WHOLE 60000  /* and a name that is given or a file that is flushed. */

static int of_checkpoint(const char *path) { return path && strstr(path, "/checkpoints/ckpt-"); }

static int of_file(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  return of_checkpoint(path);
}

int rename(const char *from, const char *to) {
  int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
  if (of_checkpoint(from)) usleep(WHOLE);
  return real(from, to);
}

int fsync(int descriptor) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  if (of_file(descriptor)) usleep(WHOLE);
  return real(descriptor);
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *file) {
  size_t (*real)(const void *, size_t, size_t, FILE *) =
      (size_t (*)(const void *, size_t, size_t, FILE *))dlsym(RTLD_NEXT, "fwrite");
  if (of_file(fileno(file))) usleep(PIECE);
  return real(from, size, count, file);
}
