/* The connection of one program of an exec, as both of its ends speak: see exec-helper.c for the frames. */

#define CONTROL 3
#define FLAG_TERMINAL 1
#define MAX_REQUEST (4u << 20)
#define MAX_GROUPS 65536

/* To the program's process. */
enum { SIGNAL = 1, RESIZE = 2 };
/* From it. */
enum { STARTED = 1, FAILED = 2, ENDED = 3, CROWDED = 4 };

struct request {
  u32 flags, uid, gid, columns, rows, groups, arguments, variables;
};

enum { SCM_RIGHTS = 1 };

/* A number with descriptors, as sendmsg(2) and recvmsg(2) take it: unix(7), SCM_RIGHTS. */
struct parcel {
  u32 number;
  struct {
    u64 length;
    int level, type, fds[4];
  } control;
  struct {
    u32 *base;
    u64 length;
  } part;
  struct {
    void *name;
    u64 name_length;
    void *parts;
    u64 part_count;
    void *control;
    u64 control_length, flags;
  } message;
};

/* The length of the control part for so many descriptors. */
#define ROOM_FOR(count) (16 + (count) * sizeof(int))

/* Prepares one for as many bytes of control as `room`. */
static void pack(struct parcel *p, u64 room) {
  p->part.base = &p->number, p->part.length = sizeof p->number;
  p->message.name = 0, p->message.name_length = p->message.flags = 0;
  p->message.parts = &p->part, p->message.part_count = 1;
  p->message.control = &p->control, p->message.control_length = room;
}
