// Tables as data. A room lists its columns once (an X-macro in its rows.h); the struct, the
// statements of both engines, the event's record of a change and the audit chain's bytes all come
// from that list.
//
//     #define VOUCHER_COLUMNS(C, R)        // row, type, name, role; the key's columns first
//         C(R, fq_voucher_id, id, FQ_KEY)
//         C(R, fq_currency, currency, FQ_FIXED)
//         C(R, voucher_status, status, FQ_CHANGES)
//     FQ_ROW(voucher_row, VOUCHER_COLUMNS)
//     ... and in one .c file:
//     static const fq_column columns[] = {FQ_COLUMNS(voucher_row, VOUCHER_COLUMNS)};
//     const fq_table voucher_table = {
//         .name = "voucher", .key_count = 1, FQ_TABLE_OF(voucher_row, columns)};
//
// A column is an integer (any C integer, enum or id of 1, 2, 4 or 8 bytes, unsigned when shorter
// than 8) or bytes (fq_str). There are no NULLs: 0 and the empty string mean "none".
#pragma once

#include "base/arena.h"
#include "base/buffer.h"

#include <stddef.h>

typedef enum {
    FQ_KEY,    // finds the row
    FQ_FIXED,  // written once
    // written once, and repeated in each event of the row, so that followers need not look it up
    FQ_TOLD,
    FQ_CHANGES,  // may change; each event records it as it was after the change
} fq_column_role;

typedef enum { FQ_COLUMN_INTEGER, FQ_COLUMN_BYTES } fq_column_type;

typedef struct {
    const char *name;
    uint16_t offset, size;
    fq_column_type type;
    fq_column_role role;
} fq_column;

// A journal is written in commit order: its column `position` is dealt at the end of the save,
// under the head's lock.
typedef enum {
    FQ_JOURNAL_NONE = 0,
    FQ_JOURNAL_EVENT,
    FQ_JOURNAL_TRANSFER,
    FQ_JOURNAL_REQUEST,
    FQ_JOURNALS
} fq_journal;

enum { FQ_TABLE_COLUMNS_MAX = 32, FQ_TABLE_KEYS_MAX = 3 };

typedef struct {
    const char *name;
    const fq_column *columns;  // the key's first
    uint16_t column_count, key_count, row_bytes;
    fq_journal journal;  // with a column named "position"
    bool sealed;         // its rows are leaves of the audit chain
    bool
        // small, hot and written by this writer alone: an engine with one writer may keep it in
        // memory
        remembered;
    bool
        // its key is a random hash; the table itself is in order of position (see behind.h)
        sought_by_hash;
} fq_table;

// What has become of a row in the batch at hand.
typedef enum {
    FQ_ROW_ABSENT,   // looked for and not there
    FQ_ROW_LOADED,   // as the database has it
    FQ_ROW_NEW,      // to be inserted
    FQ_ROW_CHANGED,  // to be updated
    FQ_ROW_GONE,     // to be deleted
} fq_row_state;

// The head of each row struct. Rows live in a batch's arena, or in a reader's.
typedef struct fq_row {
    const fq_table *table;
    struct fq_row *next_touched;  // within the mark at hand
    void *before;                 // the row as it was at the mark
    fq_row_state state;
    uint32_t mark;  // the last mark that saw it
} fq_row;

#define FQ_ROW_MEMBER_(row_type, type, name, role) type name;
#define FQ_ROW(row_type, COLUMNS)         \
    typedef struct {                      \
        fq_row row;                       \
        COLUMNS(FQ_ROW_MEMBER_, row_type) \
    } row_type;

#define FQ_COLUMN_TYPE_(value) \
    _Generic((value), fq_str : FQ_COLUMN_BYTES, default : FQ_COLUMN_INTEGER)
#define FQ_COLUMN_(row_type, type, column, role)                                                  \
    {#column, offsetof(row_type, column), sizeof(type), FQ_COLUMN_TYPE_(((row_type *)0)->column), \
     role},
#define FQ_COLUMNS(row_type, COLUMNS) COLUMNS(FQ_COLUMN_, row_type)
#define FQ_TABLE_OF(row_type, columns_array)                                               \
    .columns = (columns_array), .column_count = sizeof(columns_array) / sizeof(fq_column), \
    .row_bytes = sizeof(row_type)

// The integer in `column` of `row`.
int64_t fq_column_integer(const fq_row *row, const fq_column *column);
void fq_column_set_integer(fq_row *row, const fq_column *column, int64_t value);
fq_str fq_column_bytes(const fq_row *row, const fq_column *column);
void fq_column_set_bytes(fq_row *row, const fq_column *column, fq_str bytes);

// The column of that name; stops the process when there is none (our mistake).
const fq_column *fq_table_column(const fq_table *table, const char *name);

// A zeroed row of `table` from `arena`, state FQ_ROW_ABSENT.
fq_row *fq_row_make(const fq_table *table, fq_arena *arena);
// A copy whose byte columns are copied into `arena` too, so it outlives the original's buffers.
fq_row *fq_row_copy(const fq_row *row, fq_arena *arena);

// All columns in order as bytes: integers as zig-zag LEB128, byte columns as length and content.
// The audit chain's leaf.
void fq_row_encode(const fq_row *row, fq_buffer *out);
// The columns that are told or change: an event's record of the row as it was after the change.
void fq_row_encode_told(const fq_row *row, fq_buffer *out);
// Lays such a record over a row that has its key and fixed columns. Views point into `record`.
// Trailing columns that an older record lacks keep their values. False when the record is damaged.
bool fq_row_apply_told(fq_row *row, fq_str record);
// The same for a row type that knows only the first columns of the record: what follows is left
// unread.
bool fq_row_apply_told_prefix(fq_row *row, fq_str record);
