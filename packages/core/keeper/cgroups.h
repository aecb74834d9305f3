/* The cgroups that the keeper makes and enters with all that it starts. */

/* cgroup-v1/cpusets.rst: no process enters a set without processors and memory. */
static void copy_set(const char *folder, const char *name) {
  char path[4096], value[4096];
  u64 length = length_of(folder), parent = length;
  while (parent && folder[parent - 1] != '/') parent--;
  if (length + 16 > sizeof path || !parent) return;
  copy(path, folder, parent), copy(path + parent, name, length_of(name) + 1);
  long from = call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  copy(path, folder, length), path[length] = '/', copy(path + length + 1, name, length_of(name) + 1);
  long to = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  long n = from >= 0 && to >= 0 ? call(SYS_read, from, value, sizeof value, 0) : 0;
  if (n > 0) call(SYS_write, to, value, n, 0);
  if (from >= 0) call(SYS_close, from, 0, 0, 0);
  if (to >= 0) call(SYS_close, to, 0, 0, 0);
}

static long enter_cgroup(const char *folder) {
  char path[4096];
  struct text t = {path, path + sizeof path - 1};
  long error = -call(SYS_mkdirat, AT_FDCWD, folder, 0755, 0);
  if (error && error != EEXIST) return error;
  copy_set(folder, "cpuset.cpus"), copy_set(folder, "cpuset.mems");
  add(&t, folder), add(&t, "/cgroup.procs"), *t.at = 0;
  long procs = call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (procs < 0) return -procs;
  long n = call(SYS_write, procs, "0", 1, 0);
  call(SYS_close, procs, 0, 0, 0);
  return n < 0 ? -n : 0;
}

static long enter_cgroups(void) {
  struct entry *e;
  u32 at = 0;
  while ((e = next_entry(&at)))
    if (e->key == CGROUP) {
      long error = enter_cgroup(e->value);
      if (error) return error;
    }
  return 0;
}
