// A SQLite VFS that remembers what was written since each file's last sync, so that a test can cut
// the power: after the cut nothing reaches the disk any more, and of what was not synced each
// sector is kept or lost by chance. It can also let one operation fail. Writes and syncs (and
// truncations) of all files are counted together, from 1.
//
// Above SQLite's own VFS; the default one while it is installed. Not for the shared-memory file:
// that is memory.
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    POWERCUT_NEVER,
    POWERCUT_CUT,    // the operation and all after it do not happen
    POWERCUT_FULL,   // the write, and every later one that grows a file, fails for want of space
    POWERCUT_ERROR,  // the operation alone fails with an I/O error
} powercut_fault;

void powercut_install(void);
void powercut_remove(void);
// Forgets all files and the count, and sets what happens at operation number `at`. No file may be
// open.
void powercut_plan(powercut_fault fault, uint64_t at);
// As powercut_plan while files are open: the count starts from here.
void powercut_plan_from_here(powercut_fault fault, uint64_t at);
// Ends the fault of the plan; the count goes on.
void powercut_mend(void);
uint64_t powercut_count(void);
bool powercut_happened(void);
// The power comes back: each file becomes what the disk may hold, chosen by `seed`. No file may be
// open.
void powercut_settle(uint64_t seed);
