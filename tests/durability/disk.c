/* Stands between a node and the C library (LD_PRELOAD): writes down what the node does to the files of one directory and
 * when it waits for the disk, and does damage when it is told to. The rigs build from that what a disk may hold after its
 * power was cut.
 *
 * RIG_DIR      the directory, as an absolute path without links
 * RIG_JOURNAL  the file that is written; without it nothing is written down
 * RIG_CONTROL  16 integers of 64 bits that the rig changes while the node runs (see below)
 * RIG_BOOT     the file that is read in place of /proc/sys/kernel/random/boot_id
 * RIG_UNSYNCED only files whose path holds this are synced wrongly, where CONTROL says that anything is
 *
 * A record: u32 length of all of it, u32 kind, u64 a, u64 b, u32 length of a path, the path, and behind it what was
 * written. One lock is held from before each call until its record is written: so the order of records is that of calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, SYNC_DIR, CREATE, REMOVE, RENAME, MAKE_DIR, REMOVE_DIR };

/* What CONTROL holds. */
enum {
  FAIL_WITH,    /* error of whatever needs room or changes a file; 0: none */
  WRITES_LEFT,  /* so many writes succeed before that */
  SYNCS,        /* 0: as they should be, 1: not done at all, 2: each is done when the next is asked for, 3: not of directories */
  SYNC_ERROR,   /* error of every sync; 0: none */
  SYNCS_LEFT,   /* so many syncs succeed before that */
  CLOCK,        /* seconds by which the clock is ahead */
  SYNC_DELAY,   /* microseconds that a sync takes longer */
  WORDS = 16
};

#define FDS 65536
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned char ours[FDS];             /* 1: a file of the directory, 2: a directory */
static uint64_t asked[FDS];                 /* where the journal was when the file was last to be synced */
static unsigned char odd[FDS];              /* synced wrongly, where anything is */
static char root[PATH_MAX];
static size_t root_length;
static int journal = -1;
static uint64_t at;                         /* how far the journal has come */
static volatile int64_t none[WORDS], *control = none;
static const char *boot, *unsynced;

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

static int plain_open(const char *path, int flags, int mode) {
  static int (*real)(const char *, int, ...);
  if (!real) real = dlsym(RTLD_NEXT, "open64");
  return real(path, flags, mode);
}

__attribute__((constructor)) static void start(void) {
  const char *dir = getenv("RIG_DIR"), *file = getenv("RIG_JOURNAL"), *words = getenv("RIG_CONTROL");
  boot = getenv("RIG_BOOT");
  unsynced = getenv("RIG_UNSYNCED");
  if (!dir || strlen(dir) >= sizeof root) return;
  strcpy(root, dir);
  root_length = strlen(root);
  if (words) {
    int fd = plain_open(words, O_RDWR | O_CLOEXEC, 0);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) { fprintf(stderr, "disk.c: RIG_CONTROL cannot be used\n"); abort(); }
    control = map;
    close(fd);
  }
  if (file) {
    int fd = plain_open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) { fprintf(stderr, "disk.c: RIG_JOURNAL cannot be used\n"); abort(); }
    journal = fcntl(fd, F_DUPFD_CLOEXEC, 1000);   /* out of the way of limits that a test sets later */
    if (journal < 0) journal = fd;
    at = (uint64_t)lseek(fd, 0, SEEK_END);
  }
}

static void record(uint32_t kind, uint64_t a, uint64_t b, const char *path, const struct iovec *data, size_t parts, size_t length) {
  if (journal < 0) return;
  uint32_t named = path ? (uint32_t)strlen(path) : 0;
  unsigned char head[28];
  uint32_t all = (uint32_t)(sizeof head + named + length);
  memcpy(head, &all, 4);
  memcpy(head + 4, &kind, 4);
  memcpy(head + 8, &a, 8);
  memcpy(head + 16, &b, 8);
  memcpy(head + 24, &named, 4);
  struct iovec pieces[66] = {{head, sizeof head}, {(void *)path, named}};
  size_t n = 2, left = length;
  for (size_t i = 0; i < parts && n < 66 && left; i++) {
    size_t take = data[i].iov_len < left ? data[i].iov_len : left;
    pieces[n].iov_base = data[i].iov_base;
    pieces[n++].iov_len = take;
    left -= take;
  }
  static ssize_t (*real)(int, const struct iovec *, int);
  if (!real) real = dlsym(RTLD_NEXT, "writev");
  if (left || real(journal, pieces, (int)n) != (ssize_t)all) {
    fprintf(stderr, "disk.c: the journal cannot be written\n");
    abort();
  }
  at += all;
}

/* The absolute path of a name, in `out`; whether it lies in the directory. */
static int inside(int dirfd, const char *path, char *out) {
  if (!root_length || !path) return 0;
  if (path[0] == '/') {
    if (strlen(path) >= PATH_MAX) return 0;
    strcpy(out, path);
  } else {
    char link[64];
    ssize_t n;
    if (dirfd == AT_FDCWD) {
      if (!getcwd(out, PATH_MAX)) return 0;
      n = (ssize_t)strlen(out);
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
      n = readlink(link, out, PATH_MAX - 1);
      if (n < 0) return 0;
    }
    if ((size_t)n + strlen(path) + 2 > PATH_MAX) return 0;
    out[n] = '/';
    strcpy(out + n + 1, path);
  }
  size_t n = strlen(out);
  while (n > 1 && out[n - 1] == '/') out[--n] = 0;
  return strncmp(out, root, root_length) == 0 && (out[root_length] == '/' || out[root_length] == 0);
}

static int is_ours(int fd, int kind) { return fd >= 0 && fd < FDS && ours[fd] == kind; }

static uint64_t inode(int fd) {
  struct stat found;
  return fstat(fd, &found) == 0 ? (uint64_t)found.st_ino : 0;
}

/* The error that a change is to fail with. `grows`: it needs room. */
static int refused(int grows) {
  int64_t error = control[FAIL_WITH];
  if (!error || (error == ENOSPC && !grows)) return 0;
  if (control[WRITES_LEFT] > 0) { control[WRITES_LEFT] -= 1; return 0; }
  return (int)error;
}

static int open_by(int (*real)(int, const char *, int, ...), int dirfd, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  if (boot && path && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0) path = boot;
  if ((flags & O_TMPFILE) == O_TMPFILE || !inside(dirfd, path, full)) return real(dirfd, path, flags, mode);
  pthread_mutex_lock(&order);
  struct stat before;
  int there = fstatat(dirfd, path, &before, 0) == 0, changes = (flags & O_ACCMODE) != O_RDONLY;
  int error = changes && (!there || control[FAIL_WITH] == EROFS) ? refused(1) : 0;
  int fd = error ? -1 : real(dirfd, path, flags, mode);
  if (error) errno = error;
  struct stat now;
  if (fd >= 0 && fd < FDS && fstat(fd, &now) == 0) {
    ours[fd] = S_ISREG(now.st_mode) ? 1 : S_ISDIR(now.st_mode) ? 2 : 0;
    asked[fd] = 0;
    odd[fd] = !unsynced || strstr(full, unsynced) != NULL;
    if (ours[fd] == 1 && !there) record(CREATE, now.st_ino, 0, full, NULL, 0, 0);
    else if (ours[fd] == 1 && (flags & O_TRUNC) && changes) record(TRUNCATE, now.st_ino, 0, NULL, NULL, 0, 0);
  }
  int kept = errno;
  pthread_mutex_unlock(&order);
  errno = kept;
  return fd;
}

#define MODE(last) mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, last); mode = va_arg(more, mode_t); va_end(more); }
static int real_openat(int dirfd, const char *path, int flags, ...) {
  MODE(flags)
  static int (*real)(int, const char *, int, ...);
  if (!real) real = dlsym(RTLD_NEXT, "openat64");
  return real(dirfd, path, flags, mode);
}
int open(const char *path, int flags, ...) { MODE(flags) return open_by(real_openat, AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_by(real_openat, AT_FDCWD, path, flags, mode); }
int openat(int dirfd, const char *path, int flags, ...) { MODE(flags) return open_by(real_openat, dirfd, path, flags, mode); }
int openat64(int dirfd, const char *path, int flags, ...) { MODE(flags) return open_by(real_openat, dirfd, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_by(real_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int fd) {
  REAL(close);
  if (fd >= 0 && fd < FDS) ours[fd] = 0;
  return real(fd);
}

static int same(int from, int to) {
  if (to >= 0 && to < FDS && from >= 0 && from < FDS) {
    ours[to] = ours[from];
    asked[to] = asked[from];
    odd[to] = odd[from];
  }
  return to;
}
int dup(int fd) { REAL(dup); return same(fd, real(fd)); }
int dup2(int fd, int to) { REAL(dup2); return same(fd, real(fd, to)); }
int dup3(int fd, int to, int flags) { REAL(dup3); return same(fd, real(fd, to, flags)); }
static int duplicate(const char *name, int fd, int command, void *arg) {
  int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
  int done = real(fd, command, arg);
  return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? same(fd, done) : done;
}
#define FCNTL(name) int name(int fd, int command, ...) { va_list more; va_start(more, command); void *arg = va_arg(more, void *); va_end(more); return duplicate(#name, fd, command, arg); }
FCNTL(fcntl)
FCNTL(fcntl64)

/* A write to one of our files: `offset` < 0 is where the file stands. */
static ssize_t written(int fd, const struct iovec *data, int parts, off64_t offset) {
  static ssize_t (*plain)(int, const struct iovec *, int);
  static ssize_t (*placed)(int, const struct iovec *, int, off64_t);
  if (!plain) plain = dlsym(RTLD_NEXT, "writev");
  if (!placed) placed = dlsym(RTLD_NEXT, "pwritev64");
  pthread_mutex_lock(&order);
  struct stat found = {0};
  fstat(fd, &found);
  off64_t begin = offset;
  if (begin < 0) {
    int flags = fcntl(fd, F_GETFL);
    begin = flags & O_APPEND ? found.st_size : lseek64(fd, 0, SEEK_CUR);
  }
  size_t length = 0;
  for (int i = 0; i < parts; i++) length += data[i].iov_len;
  int error = refused(begin + (off64_t)length > found.st_size);
  ssize_t done = error ? -1 : offset < 0 ? plain(fd, data, parts) : placed(fd, data, parts, offset);
  if (error) errno = error;
  if (done > 0) record(WRITE, found.st_ino, (uint64_t)begin, NULL, data, (size_t)parts, (size_t)done);
  int kept = errno;
  pthread_mutex_unlock(&order);
  errno = kept;
  return done;
}
ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  struct iovec data = {(void *)bytes, length};
  return is_ours(fd, 1) ? written(fd, &data, 1, -1) : real(fd, bytes, length);
}
ssize_t writev(int fd, const struct iovec *data, int parts) {
  REAL(writev);
  return is_ours(fd, 1) ? written(fd, data, parts > 64 ? 64 : parts, -1) : real(fd, data, parts);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  REAL(pwrite);
  struct iovec data = {(void *)bytes, length};
  return is_ours(fd, 1) ? written(fd, &data, 1, offset) : real(fd, bytes, length, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  REAL(pwrite64);
  struct iovec data = {(void *)bytes, length};
  return is_ours(fd, 1) ? written(fd, &data, 1, offset) : real(fd, bytes, length, offset);
}
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset) {
  REAL(pwritev64);
  return is_ours(fd, 1) ? written(fd, data, parts > 64 ? 64 : parts, offset) : real(fd, data, parts, offset);
}
ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t offset) { return pwritev64(fd, data, parts, offset); }
/* Whoever copies so is told to read and write. */
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags) {
  REAL(copy_file_range);
  if (is_ours(out, 1)) { errno = ENOSYS; return -1; }
  return real(in, from, out, to, length, flags);
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t length) {
  static ssize_t (*real)(int, int, off64_t *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "sendfile64");
  if (is_ours(out, 1)) { errno = EINVAL; return -1; }
  return real(out, in, from, length);
}
ssize_t sendfile(int out, int in, off_t *from, size_t length) { return sendfile64(out, in, (off64_t *)from, length); }

static int cut(int fd, off64_t size, int fills) {
  static int (*real)(int, off64_t);
  if (!real) real = dlsym(RTLD_NEXT, "ftruncate64");
  if (!is_ours(fd, 1)) return real(fd, size);
  pthread_mutex_lock(&order);
  struct stat found = {0};
  fstat(fd, &found);
  int error = refused(size > found.st_size);
  int done = error ? -1 : fills && size <= found.st_size ? 0 : real(fd, size);
  if (error) errno = error;
  if (done == 0 && !(fills && size <= found.st_size)) record(TRUNCATE, found.st_ino, (uint64_t)size, NULL, NULL, 0, 0);
  int kept = errno;
  pthread_mutex_unlock(&order);
  errno = kept;
  return done;
}
int ftruncate(int fd, off_t size) { return cut(fd, size, 0); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size, 0); }
int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  static int (*real)(int, off64_t, off64_t);
  if (!real) real = dlsym(RTLD_NEXT, "posix_fallocate64");
  return is_ours(fd, 1) ? (cut(fd, offset + length, 1) ? errno : 0) : real(fd, offset, length);
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }
int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  static int (*real)(int, int, off64_t, off64_t);
  if (!real) real = dlsym(RTLD_NEXT, "fallocate64");
  if (is_ours(fd, 1)) { errno = EOPNOTSUPP; return -1; }
  return real(fd, mode, offset, length);
}
int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

static int sync_by(int (*real)(int), int fd) {
  if (!is_ours(fd, 1) && !is_ours(fd, 2)) return real(fd);
  pthread_mutex_lock(&order);
  int error = 0;
  if (control[SYNC_ERROR]) {
    if (control[SYNCS_LEFT] > 0) control[SYNCS_LEFT] -= 1;
    else error = (int)control[SYNC_ERROR];
  }
  int64_t wrong = odd[fd] ? control[SYNCS] : 0;
  uint64_t covered = wrong == 2 ? asked[fd] : at;
  asked[fd] = at;
  int skipped = wrong == 1 || (wrong == 3 && ours[fd] == 2);
  if (!error && !skipped) {
    if (ours[fd] == 1) {
      record(SYNC, inode(fd), covered, NULL, NULL, 0, 0);
    } else {
      char link[64], path[PATH_MAX];
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      ssize_t n = readlink(link, path, sizeof path - 1);
      path[n < 0 ? 0 : n] = 0;
      record(SYNC_DIR, 0, covered, path, NULL, 0, 0);
    }
  }
  int64_t delay = control[SYNC_DELAY];
  pthread_mutex_unlock(&order);
  if (delay > 0) usleep((useconds_t)delay);
  if (error) { errno = error; return -1; }
  return 0;
}
int fsync(int fd) { REAL(fsync); return sync_by(real, fd); }
int fdatasync(int fd) { REAL(fdatasync); return sync_by(real, fd); }

/* What changes names: done, and written down if that went well. */
static int named(uint32_t kind, int dirfd, const char *path, int (*call)(int, const char *, int), int arg, int grows) {
  char full[PATH_MAX];
  if (!inside(dirfd, path, full)) return call(dirfd, path, arg);
  pthread_mutex_lock(&order);
  int error = refused(grows), done = error ? -1 : call(dirfd, path, arg);
  if (error) errno = error;
  if (done == 0) record(kind, 0, 0, full, NULL, 0, 0);
  int kept = errno;
  pthread_mutex_unlock(&order);
  errno = kept;
  return done;
}
static int real_unlinkat(int dirfd, const char *path, int flags) { REAL(unlinkat); return real(dirfd, path, flags); }
static int real_mkdirat(int dirfd, const char *path, int mode) {
  static int (*real)(int, const char *, mode_t);
  if (!real) real = dlsym(RTLD_NEXT, "mkdirat");
  return real(dirfd, path, (mode_t)mode);
}
int unlink(const char *path) { return named(REMOVE, AT_FDCWD, path, real_unlinkat, 0, 0); }
int unlinkat(int dirfd, const char *path, int flags) {
  return named(flags & AT_REMOVEDIR ? REMOVE_DIR : REMOVE, dirfd, path, real_unlinkat, flags, 0);
}
int rmdir(const char *path) { return named(REMOVE_DIR, AT_FDCWD, path, real_unlinkat, AT_REMOVEDIR, 0); }
int mkdir(const char *path, mode_t mode) { return named(MAKE_DIR, AT_FDCWD, path, real_mkdirat, (int)mode, 1); }
int mkdirat(int dirfd, const char *path, mode_t mode) { return named(MAKE_DIR, dirfd, path, real_mkdirat, (int)mode, 1); }

static int moved(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  static int (*real)(int, const char *, int, const char *, unsigned);
  if (!real) real = dlsym(RTLD_NEXT, "renameat2");
  char old[PATH_MAX], new[PATH_MAX];
  if (!inside(from_dir, from, old) || !inside(to_dir, to, new)) return real(from_dir, from, to_dir, to, flags);
  pthread_mutex_lock(&order);
  int error = refused(0), done = error ? -1 : real(from_dir, from, to_dir, to, flags);
  if (error) errno = error;
  if (done == 0) {
    struct iovec data = {new, strlen(new)};
    record(RENAME, 0, 0, old, &data, 1, data.iov_len);
  }
  int kept = errno;
  pthread_mutex_unlock(&order);
  errno = kept;
  return done;
}
int rename(const char *from, const char *to) { return moved(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) { return moved(from_dir, from, to_dir, to, 0); }
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) { return moved(from_dir, from, to_dir, to, flags); }

/* A clock that jumps. */
int clock_gettime(clockid_t clock, struct timespec *out) {
  REAL(clock_gettime);
  int done = real(clock, out);
  if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += control[CLOCK];
  return done;
}
int gettimeofday(struct timeval *out, void *zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int done = real(out, zone);
  if (done == 0) out->tv_sec += control[CLOCK];
  return done;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
