/*
 * Limits what a program in a container may do. This is the last step before each program, whether PID 1 or one of an
 * exec, so that all have the same rights. liblxc could do this, too, but it compiles the filter anew for each program,
 * which takes longer than the rest of an exec.
 */

enum { PR_CAPBSET_DROP = 24, SECCOMP_SET_MODE_FILTER = 1, CAPABILITY_VERSION_3 = 0x20080522, CAP_KILL = 5 };

#define MAX_INSTRUCTIONS 4096

/* src/confinement.ts encodes it. linux/filter.h, struct sock_filter: an instruction has 64 bits. */
struct confinement {
  /* The capabilities to keep, as bits. */
  u32 keep[2];
  /* Zero: no filter of system calls. */
  u32 instructions;
  /* Only for PID 1. 1: makes /proc/sys/net read-only, after liblxc has written the container's settings there. */
  u32 sealed;
};

/*
 * Removes capabilities from the bounding set, and loads the filter. The process keeps its own capabilities: it needs
 * them to load the filter, and to become a user.
 */
static long confine(const struct confinement *c, const u64 *filter) {
  for (u32 n = 0; n < 64; n++) {
    if (c->keep[n / 32] >> (n % 32) & 1) continue;
    long error = -call(SYS_prctl, PR_CAPBSET_DROP, n, 0, 0);
    /* The kernel has neither this capability nor the next ones. */
    if (error == EINVAL) break;
    if (error) return error;
  }
  if (!c->instructions) return 0;
  struct {
    unsigned short length;
    const u64 *filter;
  } program = {(unsigned short)c->instructions, filter};
  return -call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0);
}

/*
 * Gives up the process's own capabilities except those that it keeps. Clearing the inheritable set also clears the
 * ambient set: capabilities(7).
 */
static long reduce(const struct confinement *c, u32 besides) {
  u32 header[2] = {CAPABILITY_VERSION_3, 0};
  /* Effective, permitted, inheritable; then their upper halves. */
  u32 sets[6];
  long error = -call(SYS_capget, header, sets, 0, 0);
  if (error) return error;
  sets[0] = sets[1] &= c->keep[0] | besides;
  sets[3] = sets[4] &= c->keep[1];
  sets[2] = sets[5] = 0;
  return -call(SYS_capset, header, sets, 0, 0);
}
