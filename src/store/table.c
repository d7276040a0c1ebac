// Tables as data: reading and writing a row's columns without knowing its type.
#include "store/table.h"

int64_t fq_column_integer(const fq_row *row, const fq_column *column) {
    const char *at = (const char *)row + column->offset;
    switch (column->size) {
    case 1:
        return (int64_t) * (const uint8_t *)at;
    case 2: {
        uint16_t value;
        memcpy(&value, at, sizeof(value));
        return value;
    }
    case 4: {
        uint32_t value;
        memcpy(&value, at, sizeof(value));
        return value;
    }
    default: {
        int64_t value;
        memcpy(&value, at, sizeof(value));
        return value;
    }
    }
}

void fq_column_set_integer(fq_row *row, const fq_column *column, int64_t value) {
    char *at = (char *)row + column->offset;
    switch (column->size) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        return;
    case 2:
        memcpy(at, &(uint16_t){(uint16_t)value}, 2);
        return;
    case 4:
        memcpy(at, &(uint32_t){(uint32_t)value}, 4);
        return;
    default:
        memcpy(at, &value, 8);
    }
}

fq_str fq_column_bytes(const fq_row *row, const fq_column *column) {
    fq_str bytes;
    memcpy(&bytes, (const char *)row + column->offset, sizeof(bytes));
    return bytes;
}

void fq_column_set_bytes(fq_row *row, const fq_column *column, fq_str bytes) {
    memcpy((char *)row + column->offset, &bytes, sizeof(bytes));
}

const fq_column *fq_table_column(const fq_table *table, const char *name) {
    for (size_t i = 0; i < table->column_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            return &table->columns[i];
        }
    }
    fq_assert_failed(name, table->name, 0);
}

fq_row *fq_row_make(const fq_table *table, fq_arena *arena) {
    fq_row *row = fq_arena_alloc(arena, table->row_bytes);
    row->table = table;
    return row;
}

fq_row *fq_row_copy(const fq_row *row, fq_arena *arena) {
    fq_row *copy = fq_arena_alloc(arena, row->table->row_bytes);
    memcpy(copy, row, row->table->row_bytes);
    copy->before = NULL;
    copy->next_touched = NULL;
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->type == FQ_COLUMN_BYTES) {
            fq_column_set_bytes(copy, column, fq_arena_copy(arena, fq_column_bytes(row, column)));
        }
    }
    return copy;
}

static void put_varint(fq_buffer *out, uint64_t value) {
    char bytes[10];
    size_t len = 0;
    do {
        bytes[len++] = (char)((value & 0x7F) | (value > 0x7F ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    fq_buffer_add(out, (fq_str){bytes, len});
}

static bool get_varint(fq_str *from, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && from->len > 0; shift += 7) {
        const uint8_t byte = (uint8_t)*from->at;
        from->at++;
        from->len--;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static uint64_t zigzag(int64_t value) {
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

static void encode_column(const fq_row *row, const fq_column *column, fq_buffer *out) {
    if (column->type == FQ_COLUMN_INTEGER) {
        put_varint(out, zigzag(fq_column_integer(row, column)));
        return;
    }
    const fq_str bytes = fq_column_bytes(row, column);
    put_varint(out, bytes.len);
    fq_buffer_add(out, bytes);
}

void fq_row_encode(const fq_row *row, fq_buffer *out) {
    for (size_t i = 0; i < row->table->column_count; i++) {
        encode_column(row, &row->table->columns[i], out);
    }
}

void fq_row_encode_told(const fq_row *row, fq_buffer *out) {
    for (size_t i = 0; i < row->table->column_count; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->role == FQ_TOLD || column->role == FQ_CHANGES) {
            encode_column(row, column, out);
        }
    }
}

static bool apply_told(fq_row *row, fq_str record, fq_str *out_rest) {
    for (size_t i = 0; i < row->table->column_count && record.len > 0; i++) {
        const fq_column *column = &row->table->columns[i];
        if (column->role != FQ_TOLD && column->role != FQ_CHANGES) {
            continue;
        }
        uint64_t value;
        if (!get_varint(&record, &value)) {
            return false;
        }
        if (column->type == FQ_COLUMN_INTEGER) {
            fq_column_set_integer(row, column, unzigzag(value));
            continue;
        }
        if (value > record.len) {
            return false;
        }
        fq_column_set_bytes(row, column, (fq_str){record.at, (size_t)value});
        record.at += value;
        record.len -= value;
    }
    *out_rest = record;
    return true;
}

bool fq_row_apply_told(fq_row *row, fq_str record) {
    fq_str rest;
    return apply_told(row, record, &rest) && rest.len == 0;
}

bool fq_row_apply_told_prefix(fq_row *row, fq_str record) {
    fq_str rest;
    return apply_told(row, record, &rest);
}
