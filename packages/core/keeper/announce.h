/*
 * What passes between the keeper and a PID 1 of a container that is about to become its program, over the connection by
 * which that PID 1 is known: one byte each.
 *
 * keeper → PID 1: HOLD   wait for GO, however long it takes; PID 1 answers with HELD
 *                 GO     become the program
 * A PID 1 that nobody has answered in time goes on without, and sends no HELD. So what the keeper does between HELD and
 * GO never happens while the program runs.
 */
enum { GO = 0, HOLD = 1, HELD = 1 };
