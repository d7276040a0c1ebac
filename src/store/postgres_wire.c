// PostgreSQL's binary formats.
#include "store/postgres_wire.h"

#include <endian.h>
#include <limits.h>

// Numbers of types, fixed by PostgreSQL's catalogue (pg_type.dat).
enum { TYPE_BIGINT = 20, TYPE_BYTEA = 17 };
enum { ARRAY_HEAD_BYTES = 20 };

static char *put_32(char *at, uint32_t value) {
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
    return at + sizeof(value);
}

static char *put_64(char *at, int64_t value) {
    const uint64_t big_endian = htobe64((uint64_t)value);
    memcpy(at, &big_endian, sizeof(big_endian));
    return at + sizeof(big_endian);
}

void postgres_put_integer(postgres_values *values, postgres_integer *room, int64_t integer) {
    put_64(room->at, integer);
    postgres_put_bytes(values, (fq_str){room->at, sizeof(room->at)});
}

void postgres_put_bytes(postgres_values *values, fq_str bytes) {
    FQ_ASSERT(values->count < POSTGRES_VALUES_MAX && bytes.len <= INT_MAX);
    values->at[values->count] =
        bytes.len > 0 ? bytes.at : "";  // a NULL pointer would mean SQL's NULL
    values->binary[values->count] = 1;
    values->bytes[values->count++] = (int)bytes.len;
}

static size_t array_bytes(const fq_row_group *group, const fq_column *column) {
    if (column->type == FQ_COLUMN_INTEGER) {
        return ARRAY_HEAD_BYTES + group->count * (4 + 8);
    }
    size_t bytes = ARRAY_HEAD_BYTES + group->count * 4;
    for (size_t i = 0; i < group->count; i++) {
        bytes += fq_column_bytes(group->rows[i], column).len;
    }
    return bytes;
}

static char *put_array(char *at, const fq_row_group *group, const fq_column *column) {
    const bool integers = column->type == FQ_COLUMN_INTEGER;
    at = put_32(at, 1);  // dimensions
    at = put_32(at, 0);  // no NULLs
    at = put_32(at, integers ? TYPE_BIGINT : TYPE_BYTEA);
    at = put_32(at, (uint32_t)group->count);
    at = put_32(at, 1);  // the first index
    for (size_t i = 0; i < group->count; i++) {
        if (integers) {
            at = put_32(at, 8);
            at = put_64(at, fq_column_integer(group->rows[i], column));
            continue;
        }
        const fq_str bytes = fq_column_bytes(group->rows[i], column);
        at = put_32(at, (uint32_t)bytes.len);
        if (bytes.len > 0) {
            memcpy(at, bytes.at, bytes.len);
        }
        at += bytes.len;
    }
    return at;
}

bool postgres_put_columns(postgres_link *link, const fq_row_group *group,
                          const fq_column *const *columns, size_t column_count,
                          postgres_values *values) {
    FQ_ASSERT(group->count > 0 && column_count <= POSTGRES_VALUES_MAX);
    size_t total = 0;
    for (size_t i = 0; i < column_count; i++) {
        total += array_bytes(group, columns[i]);
    }
    fq_buffer_clear(&link->scratch);
    char *at = fq_buffer_reserve(&link->scratch, total);
    if (!at) {
        return false;
    }
    for (size_t i = 0; i < column_count; i++) {
        char *const begin = at;
        at = put_array(at, group, columns[i]);
        postgres_put_bytes(values, (fq_str){begin, (size_t)(at - begin)});
    }
    return true;
}

bool postgres_get_integer(const PGresult *result, int row, int field, int64_t *out) {
    if (PQgetisnull(result, row, field) || PQgetlength(result, row, field) != 8) {
        return false;
    }
    uint64_t big_endian;
    memcpy(&big_endian, PQgetvalue(result, row, field), sizeof(big_endian));
    *out = (int64_t)be64toh(big_endian);
    return true;
}

bool postgres_get_bytes(const PGresult *result, int row, int field, fq_str *out) {
    if (PQgetisnull(result, row, field)) {
        return false;
    }
    *out = (fq_str){PQgetvalue(result, row, field), (size_t)PQgetlength(result, row, field)};
    return true;
}
