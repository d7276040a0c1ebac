// Lists of the contract: newest first, a page at a time, with filters. A page looks at a bounded
// number of rows; with a rare filter it may be short, even empty, while `has_more` is true.
#pragma once

#include "service/call.h"

enum { FQ_PAGE_LIMIT_DEFAULT = 20, FQ_PAGE_LIMIT_MAX = 100, FQ_PAGE_LOOK_MAX = 2000 };

// The query parameters that every list has; a member of each list's own struct.
typedef struct {
    int64_t limit;
    fq_str after;
    int64_t created_from, created_to;
    fq_given created_from_given, created_to_given;
} fq_page;

// Rows for the field table of a struct that has an fq_page member called `page`.
#define FQ_PAGE_FIELDS(type)                                                                 \
    {.name = "limit",                                                                        \
     .kind = FQ_FIELD_INTEGER,                                                               \
     .minimum = 1,                                                                           \
     .maximum = FQ_PAGE_LIMIT_MAX,                                                           \
     .offset = FQ_AT(type, page.limit)},                                                     \
        {.name = "after",                                                                    \
         .kind = FQ_FIELD_ASCII,                                                             \
         .minimum = 1,                                                                       \
         .maximum = 64,                                                                      \
         .offset = FQ_AT(type, page.after)},                                                 \
        {.name = "created_from",                                                             \
         .kind = FQ_FIELD_TIME,                                                              \
         .offset = FQ_AT(type, page.created_from),                                           \
         .given = FQ_GIVEN_AT(type, page.created_from_given)},                               \
    {                                                                                        \
        .name = "created_to", .kind = FQ_FIELD_TIME, .offset = FQ_AT(type, page.created_to), \
        .given = FQ_GIVEN_AT(type, page.created_to_given)                                    \
    }

// Where the rows come from: the whole table (index NULL), or those with `value` under an index.
typedef struct {
    const fq_index *index;
    uint64_t value;
} fq_list_source;

typedef struct {
    const fq_table *table;  // its first column is the id
    fq_id_kind id_kind;
    fq_list_source sources[2];  // with two, rows of either, each once
    size_t source_count;
    fq_row **rows;  // with source_count 0: rows that the caller has found, newest first
    size_t row_count;
    bool rows_cut;  // there are older ones than these
    const fq_page *page;
    // Does this row belong to the list? (filters, and what the caller may see)
    bool (*accept)(void *context, const fq_row *row);
    // Writes the row as one object.
    void (*encode)(void *context, fq_json_writer *out, const fq_row *row);
    // Called once with the accepted rows, before they are encoded, for what must be asked for all
    // at once; may be NULL.
    fq_err (*prepare)(void *context, fq_row **rows, size_t count);
    void *context;
} fq_list_of;

// Reads the page and writes the answer {"object":"list","data":[…],"has_more":…,"next":…}.
// Errors: invalid_field (`after`), unavailable.
FQ_MUST_USE fq_err fq_list_answer(fq_call *call, fq_reader *reader, const fq_list_of *list);

// Ids that were found by way of another table, in any order: of those that may stand on the page,
// the newest, as many as a page needs.
enum { FQ_LIST_FOUND_MAX = FQ_PAGE_LIMIT_MAX + 1 };
typedef struct {
    uint64_t ids[2 * FQ_LIST_FOUND_MAX];  // the newest come first when the older half is dropped
    size_t count;
    uint64_t above, below;
    bool cut;
} fq_list_found;

// Begins with none. Errors: invalid_field (`after`).
FQ_MUST_USE fq_err fq_list_found_begin(const fq_list_of *list, fq_list_found *out);
void fq_list_found_add(fq_list_found *found, uint64_t id);
// Loads their rows, which become the list's.
FQ_MUST_USE fq_err fq_list_found_load(fq_call *call, fq_reader *reader, fq_list_found *found,
                                      fq_list_of *list);
