/* The service under test: small, static, without an interpreter's start.
 *
 *   svc stamp STAMPS NAME                      stamp, say that it is ready, sleep for ever
 *   svc tick  STAMPS NAME MILLISECONDS         stamp, then a numbered line each so many milliseconds
 *   svc flood STAMPS NAME LINES LEN GO CHUNK   wait for the file GO, then write LINES numbered lines of LEN bytes;
 *                                              CHUNK 0: a write per line, else one per CHUNK bytes
 *   svc leave STAMPS NAME GO CODE              wait for the file GO, then exit with CODE;
 *                                              where GO is there from the start: sleep for ever
 *
 * To stamp is to append "<monotonic nanoseconds> <pid> <name>", 48 bytes, to the file STAMPS: nobody has to poll the
 * process table. Readiness is told as NOTIFY_SOCKET (sd_notify), or, where READY_LINE is set, by a line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void stamp(const char *path, const char *name) {
  struct timespec now;
  char line[64];
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int size = snprintf(line, sizeof line, "%019lld %010d %-16.16s\n", now.tv_sec * 1000000000LL + now.tv_nsec, (int)getpid(), name);
  if (write(fd, line, size) != size) _exit(9);
  close(fd);
}

static int put(const char *from, size_t left) {
  while (left) {
    ssize_t done = write(1, from, left);
    if (done < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return -1;
      usleep(200);
      continue;
    }
    from += done;
    left -= done;
  }
  return 0;
}

static void tell_ready(void) {
  const char *where = getenv("NOTIFY_SOCKET");
  if (where) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, where, sizeof address.sun_path - 1);
    if (address.sun_path[0] == '@') address.sun_path[0] = 0;
    sendto(fd, "READY=1", 7, 0, (void *)&address, sizeof(sa_family_t) + strlen(where));
    close(fd);
  }
  if (getenv("READY_LINE")) put("ready\n", 6);
}

static int exists(const char *path) {
  struct stat ignored;
  return !stat(path, &ignored);
}

static void wait_for(const char *path) {
  while (!exists(path)) usleep(1000);
}

static int tick(long milliseconds) {
  for (long number = 0;; number++) {
    char line[64];
    int size = snprintf(line, sizeof line, "tick %d %08ld\n", (int)getpid(), number);
    if (put(line, size)) return 3;
    usleep(milliseconds * 1000);
  }
}

static int flood(const char *stamps, const char *name, long lines, size_t length, const char *go, size_t chunk) {
  char marked[32];
  size_t capacity = chunk ? chunk / length * length : length, used = 0;
  char *buffer = malloc(capacity + length + 32);
  wait_for(go);
  for (long number = 0; number < lines; number++) {
    char *line = buffer + used;
    int head = sprintf(line, "%09ld ", number);
    memset(line + head, 'x', length - head - 1);
    line[length - 1] = '\n';
    used += length;
    if (used >= capacity) {
      if (put(buffer, used)) return 3;
      used = 0;
    }
  }
  if (used && put(buffer, used)) return 3;
  snprintf(marked, sizeof marked, "%.10s+end", name);
  stamp(stamps, marked);
  for (;;) pause();
}

int main(int count, char **words) {
  if (count < 4) return 2;
  stamp(words[2], words[3]);
  if (!strcmp(words[1], "stamp")) {
    tell_ready();
    for (;;) pause();
  }
  if (!strcmp(words[1], "tick") && count == 5) return tick(atol(words[4]));
  if (!strcmp(words[1], "flood") && count == 8)
    return flood(words[2], words[3], atol(words[4]), atol(words[5]), words[6], atol(words[7]));
  if (!strcmp(words[1], "leave") && count == 6) {
    if (!exists(words[4])) {
      wait_for(words[4]);
      return atoi(words[5]);
    }
    for (;;) pause();
  }
  return 2;
}
