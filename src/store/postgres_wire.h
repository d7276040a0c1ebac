// PostgreSQL's binary formats of the three types we use: bigint, bytea, and arrays of them. No text
// in between. Source: PostgreSQL 15, src/backend/utils/adt/arrayfuncs.c (array_recv) and int8.c
// (int8recv).
#pragma once

#include "store/engine.h"
#include "store/postgres_link.h"

// Room for one bigint on its way out; lives until the statement is queued.
typedef struct {
    char at[8];
} postgres_integer;
void postgres_put_integer(postgres_values *values, postgres_integer *room, int64_t integer);
void postgres_put_bytes(postgres_values *values, fq_str bytes);

// Fills `values` with one array a column: the column's values in all rows of the group. The arrays
// are in the link's scratch until the next call. False when they are too large to send.
bool postgres_put_columns(postgres_link *link, const fq_row_group *group,
                          const fq_column *const *columns, size_t column_count,
                          postgres_values *values);

// A field of an answer. False when it is NULL or not of that type's size.
bool postgres_get_integer(const PGresult *result, int row, int field, int64_t *out);
// A view that lives as long as the answer.
bool postgres_get_bytes(const PGresult *result, int row, int field, fq_str *out);
