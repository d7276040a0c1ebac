// Tables as statements.
//
// A group of rows is one statement, whatever its size: its keys, or all its columns, go out as
// arrays. `unnest` yields them in the order given, which is key order, and the LATERAL subquery
// with its lock cannot be joined in any other order: so all writers lock rows in one order and do
// not deadlock within a table.
#include "store/postgres_rows.h"

#include "store/postgres_wire.h"

#include <stdio.h>

enum { SQL_BYTES_MAX = 16 << 10, SCAN_ROWS_FIRST = 64, SCAN_ROWS_MAX = 1024 };

typedef struct {
    const fq_column *at[FQ_TABLE_COLUMNS_MAX];
    size_t count;
} column_list;

// The key's columns, and those of a role after them.
static column_list columns_of(const fq_table *table, bool key, bool changing, bool fixed) {
    column_list list = {0};
    for (size_t i = 0; i < table->column_count; i++) {
        const fq_column *column = &table->columns[i];
        if (column->role == FQ_KEY ? key : column->role == FQ_CHANGES ? changing : fixed) {
            list.at[list.count++] = column;
        }
    }
    return list;
}

// --- text ---

// "a", "b" with `before` in front of each.
static void add_names(fq_buffer *sql, const column_list *columns, const char *before) {
    for (size_t i = 0; i < columns->count; i++) {
        fq_buffer_printf(sql, "%s%s\"%s\"", i > 0 ? ", " : "", before, columns->at[i]->name);
    }
}

// unnest($1::bigint[], $2::bytea[])
static void add_unnest(fq_buffer *sql, const column_list *columns) {
    FQ_ADD(sql, "unnest(");
    for (size_t i = 0; i < columns->count; i++) {
        fq_buffer_printf(sql, "%s$%zu::%s[]", i > 0 ? ", " : "", i + 1,
                         columns->at[i]->type == FQ_COLUMN_INTEGER ? "bigint" : "bytea");
    }
    FQ_ADD(sql, ")");
}

static void add_key_matches(fq_buffer *sql, const fq_table *table) {
    for (size_t i = 0; i < table->key_count; i++) {
        fq_buffer_printf(sql, "%st.\"%s\" = k.\"%s\"", i > 0 ? " AND " : "", table->columns[i].name,
                         table->columns[i].name);
    }
}

// SELECT k.n, t."b" FROM unnest($1::bigint[]) WITH ORDINALITY AS k("a", n),
//   LATERAL (SELECT "b" FROM "table" AS t WHERE t."a" = k."a" FOR UPDATE) AS t
// A row with nothing but its key still says by its number that it is there.
static void load_text(fq_buffer *sql, const fq_table *table, bool lock) {
    const column_list key = columns_of(table, true, false, false);
    const column_list rest = columns_of(table, false, true, true);
    FQ_ADD(sql, "SELECT k.n");
    for (size_t i = 0; i < rest.count; i++) {
        fq_buffer_printf(sql, ", t.\"%s\"", rest.at[i]->name);
    }
    FQ_ADD(sql, " FROM ");
    add_unnest(sql, &key);
    FQ_ADD(sql, " WITH ORDINALITY AS k(");
    add_names(sql, &key, "");
    FQ_ADD(sql, ", n), LATERAL (SELECT ");
    add_names(sql, rest.count > 0 ? &rest : &key, "t.");
    fq_buffer_printf(sql, " FROM \"%s\" AS t WHERE ", table->name);
    add_key_matches(sql, table);
    fq_buffer_printf(sql, "%s) AS t", lock ? " FOR UPDATE" : " OFFSET 0");
}

static void insert_text(fq_buffer *sql, const fq_table *table) {
    const column_list all = columns_of(table, true, true, true);
    fq_buffer_printf(sql, "INSERT INTO \"%s\" (", table->name);
    add_names(sql, &all, "");
    FQ_ADD(sql, ") SELECT * FROM ");
    add_unnest(sql, &all);
}

static void update_text(fq_buffer *sql, const fq_table *table) {
    const column_list sent = columns_of(table, true, true, false);
    const column_list changes = columns_of(table, false, true, false);
    fq_buffer_printf(sql, "UPDATE \"%s\" AS t SET ", table->name);
    for (size_t i = 0; i < changes.count; i++) {
        fq_buffer_printf(sql, "%s\"%s\" = k.\"%s\"", i > 0 ? ", " : "", changes.at[i]->name,
                         changes.at[i]->name);
    }
    FQ_ADD(sql, " FROM ");
    add_unnest(sql, &sent);
    FQ_ADD(sql, " AS k(");
    add_names(sql, &sent, "");
    FQ_ADD(sql, ") WHERE ");
    add_key_matches(sql, table);
}

static void delete_text(fq_buffer *sql, const fq_table *table) {
    const column_list key = columns_of(table, true, false, false);
    fq_buffer_printf(sql, "DELETE FROM \"%s\" AS t USING ", table->name);
    add_unnest(sql, &key);
    FQ_ADD(sql, " AS k(");
    add_names(sql, &key, "");
    FQ_ADD(sql, ") WHERE ");
    add_key_matches(sql, table);
}

// SELECT "a", "b", "c" FROM "table" WHERE ("a", "b") > ($1, $2) AND "a" < $3 ORDER BY "a" ASC, …
// LIMIT $4: what follows a key, up to a bound of its first column; backward the other way round.
// The indexes are partial (without 0, "none"), so the condition is repeated for a plan made without
// the value.
static void scan_text(fq_buffer *sql, const fq_table *table, const fq_index *index, bool forward) {
    const column_list all = columns_of(table, true, true, true);
    const column_list key = columns_of(table, true, false, false);
    FQ_ADD(sql, "SELECT ");
    add_names(sql, &all, "");
    fq_buffer_printf(sql, " FROM \"%s\" WHERE (", table->name);
    add_names(sql, &key, "");
    fq_buffer_printf(sql, ") %c (", forward ? '>' : '<');
    for (size_t i = 0; i < key.count; i++) {
        fq_buffer_printf(sql, "%s$%zu::bigint", i > 0 ? ", " : "", i + 1);
    }
    fq_buffer_printf(sql, ") AND \"%s\" %c $%zu::bigint", key.at[0]->name, forward ? '<' : '>',
                     key.count + 1);
    if (index) {
        fq_buffer_printf(sql, " AND \"%s\" = $%zu::bigint AND \"%s\" <> 0", index->column,
                         key.count + 3, index->column);
    }
    for (size_t i = 0; i < key.count; i++) {
        fq_buffer_printf(sql, "%s\"%s\" %s", i > 0 ? ", " : " ORDER BY ", key.at[i]->name,
                         forward ? "ASC" : "DESC");
    }
    fq_buffer_printf(sql, " LIMIT $%zu::bigint", key.count + 2);
}

void postgres_index_name(const fq_index *index, char out[POSTGRES_NAME_BYTES]) {
    snprintf(out, POSTGRES_NAME_BYTES, "%s_%s", index->table->name, index->column);
}

// --- preparing ---

static void prepare(postgres_link *link, fq_buffer *sql, const char *verb, const char *subject) {
    fq_buffer_add_char(sql, '\0');
    FQ_ASSERT(!sql->overflowed);
    postgres_link_prepare(link, verb, subject, sql->at);
    fq_buffer_clear(sql);
}

static void prepare_saves(postgres_link *link, fq_buffer *sql, const fq_table *table) {
    insert_text(sql, table);
    prepare(link, sql, "insert", table->name);
    if (columns_of(table, false, true, false).count > 0) {
        update_text(sql, table);
        prepare(link, sql, "update", table->name);
    }
    if (table->journal == FQ_JOURNAL_NONE) {
        delete_text(sql, table);
        prepare(link, sql, "delete", table->name);
    }
}

static void prepare_scans(postgres_link *link, fq_buffer *sql, const fq_table *table,
                          const fq_index *index, const char *subject) {
    scan_text(sql, table, index, true);
    prepare(link, sql, index ? "seek_up" : "scan_up", subject);
    scan_text(sql, table, index, false);
    prepare(link, sql, index ? "seek_down" : "scan_down", subject);
}

fq_err postgres_rows_prepare(postgres_link *link, const fq_schema *schema,
                             postgres_purpose purpose) {
    const bool writes = purpose == POSTGRES_FOR_WRITING;
    fq_buffer sql;
    fq_buffer_init(&sql, SQL_BYTES_MAX);
    fq_err err = FQ_OK;
    for (size_t i = 0; i < schema->table_count && !err.code; i++) {
        const fq_table *table = schema->tables[i];
        load_text(&sql, table, false);
        prepare(link, &sql, "load", table->name);
        if (writes) {
            load_text(&sql, table, true);
            prepare(link, &sql, "lock", table->name);
            prepare_saves(link, &sql, table);
        } else {
            prepare_scans(link, &sql, table, NULL, table->name);
        }
        err = i % 16 == 15 ? postgres_link_round(link) : FQ_OK;
    }
    for (size_t i = 0; i < schema->index_count && !writes && !err.code; i++) {
        prepare_scans(link, &sql, schema->indexes[i]->table, schema->indexes[i],
                      schema->indexes[i]->name);
        err = i % 16 == 15 ? postgres_link_round(link) : FQ_OK;
    }
    fq_buffer_free(&sql);
    return err.code ? err : postgres_link_round(link);
}

// --- loading ---

typedef struct {
    fq_row_group group;
    fq_arena *arena;
} load_context;

// One column of an answer into a row. `arena` NULL: bytes stay in the answer.
static bool read_column(fq_row *row, const fq_column *column, const PGresult *result, int at,
                        int field, fq_arena *arena) {
    if (column->type == FQ_COLUMN_INTEGER) {
        int64_t integer;
        if (!postgres_get_integer(result, at, field, &integer)) {
            return false;
        }
        fq_column_set_integer(row, column, integer);
        return true;
    }
    fq_str bytes;
    if (!postgres_get_bytes(result, at, field, &bytes)) {
        return false;
    }
    fq_column_set_bytes(row, column, arena ? fq_arena_copy(arena, bytes) : bytes);
    return true;
}

static bool read_loaded(void *context, const PGresult *result) {
    const load_context *load = context;
    const column_list rest = columns_of(load->group.table, false, true, true);
    if (PQnfields(result) != 1 + (int)rest.count) {
        return false;
    }
    for (int at = 0; at < PQntuples(result); at++) {
        int64_t number;
        if (!postgres_get_integer(result, at, 0, &number) || number < 1 ||
            (uint64_t)number > load->group.count) {
            return false;
        }
        fq_row *row = load->group.rows[number - 1];
        for (size_t i = 0; i < rest.count; i++) {
            if (!read_column(row, rest.at[i], result, at, 1 + (int)i, load->arena)) {
                return false;
            }
        }
        row->state = FQ_ROW_LOADED;
    }
    return true;
}

void postgres_rows_load(postgres_link *link, fq_arena *arena, const fq_row_group *group,
                        bool lock) {
    const column_list key = columns_of(group->table, true, false, false);
    load_context *context = FQ_NEW(arena, load_context);
    *context = (load_context){*group, arena};
    postgres_values values = {0};
    for (size_t i = 0; i < group->count; i++) {
        group->rows[i]->state = FQ_ROW_ABSENT;
    }
    FQ_ASSERT(postgres_put_columns(link, group, key.at, key.count, &values));
    postgres_link_execute(link,
                          (postgres_step){.verb = lock ? "lock" : "load",
                                          .subject = group->table->name,
                                          .read = read_loaded,
                                          .context = context,
                                          .rows_expected = -1},
                          &values);
}

// --- saving ---

bool postgres_rows_save(postgres_link *link, const fq_save *save) {
    static const char *const verbs[] = {
        [FQ_SAVE_INSERT] = "insert", [FQ_SAVE_UPDATE] = "update", [FQ_SAVE_DELETE] = "delete"};
    const fq_table *table = save->group.table;
    const column_list sent =
        columns_of(table, true, save->kind != FQ_SAVE_DELETE, save->kind == FQ_SAVE_INSERT);
    postgres_values values = {0};
    if (!postgres_put_columns(link, &save->group, sent.at, sent.count, &values)) {
        return false;
    }
    postgres_link_execute(link,
                          (postgres_step){.verb = verbs[save->kind],
                                          .subject = table->name,
                                          .rows_expected = (int64_t)save->group.count},
                          &values);
    return true;
}

// --- scanning ---

typedef struct {
    const fq_scan *scan;
    fq_row *row;
    int64_t after[FQ_TABLE_KEYS_MAX];  // the key behind which the scan goes on
    int64_t until;                     // ends before this value of the key's first column
    int64_t wanted;                    // rows of the chunk at hand
    bool done;
} scan_state;

static bool read_scanned(fq_row *row, const column_list *columns, const PGresult *result, int at) {
    for (size_t i = 0; i < columns->count; i++) {
        if (!read_column(row, columns->at[i], result, at, (int)i, NULL)) {
            return false;
        }
    }
    row->state = FQ_ROW_LOADED;
    return true;
}

// Shows a chunk to the visitor. He may use the same reader meanwhile, so no round is under way
// here.
static fq_err visit_chunk(scan_state *state, const PGresult *result) {
    const fq_scan *scan = state->scan;
    const column_list all = columns_of(scan->table, true, true, true);
    const int count = PQntuples(result);
    state->done = count < state->wanted;
    for (int i = 0; i < count; i++) {
        if (PQnfields(result) != (int)all.count || !read_scanned(state->row, &all, result, i)) {
            return fq_refuse(FQ_INTERNAL, NULL);
        }
        for (size_t k = 0; k < scan->table->key_count; k++) {
            state->after[k] = fq_column_integer(state->row, all.at[k]);
        }
        if (!scan->visit(scan->context, state->row)) {
            state->done = true;
            return FQ_OK;
        }
    }
    return FQ_OK;
}

static fq_err scan_chunk(postgres_link *link, scan_state *state) {
    const fq_scan *scan = state->scan;
    const char *up = scan->index ? "seek_up" : "scan_up",
               *down = scan->index ? "seek_down" : "scan_down";
    postgres_values values = {0};
    postgres_integer after[FQ_TABLE_KEYS_MAX], until, limit, value;
    for (size_t k = 0; k < scan->table->key_count; k++) {
        postgres_put_integer(&values, &after[k], state->after[k]);
    }
    postgres_put_integer(&values, &until, state->until);
    postgres_put_integer(&values, &limit, state->wanted);
    if (scan->index) {
        postgres_put_integer(&values, &value, (int64_t)scan->value);
    }
    PGresult *result = NULL;
    postgres_link_execute(
        link,
        (postgres_step){.verb = scan->forward ? up : down,
                        .subject = scan->index ? scan->index->name : scan->table->name,
                        .keep = &result,
                        .rows_expected = -1},
        &values);
    fq_err err = postgres_link_round(link);
    if (!err.code) {
        err = visit_chunk(state, result);
    }
    PQclear(result);
    return err;
}

static int64_t bound_of(uint64_t key) {
    return key > INT64_MAX ? INT64_MAX : (int64_t)key;
}

// Rows are fetched in chunks, so that a page of a list costs a page and a long walk costs few round
// trips.
fq_err postgres_rows_scan(postgres_link *link, fq_arena *arena, const fq_scan *scan) {
    const int64_t above = bound_of(scan->above),
                  below = scan->below ? bound_of(scan->below) : INT64_MAX;
    scan_state state = {.scan = scan,
                        .row = fq_row_make(scan->table, arena),
                        .until = scan->forward ? below : above,
                        .wanted = SCAN_ROWS_FIRST};
    // Keys whose first column is the bound itself are left out, whatever follows it.
    state.after[0] = scan->forward ? above : below;
    for (size_t k = 1; k < scan->table->key_count; k++) {
        state.after[k] = scan->forward ? INT64_MAX : INT64_MIN;
    }
    while (!state.done) {
        FQ_TRY(scan_chunk(link, &state));
        state.wanted = state.wanted * 4 < SCAN_ROWS_MAX ? state.wanted * 4 : SCAN_ROWS_MAX;
    }
    return FQ_OK;
}
