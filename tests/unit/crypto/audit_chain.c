// Merkle roots and proofs against the published trees, and the seal's exact bytes.
#include "crypto/audit_chain.h"

#include "vectors.h"

enum { LEAVES_MAX = 64 };

static fq_hash hash_from_hex(const json_t *text) {
    fq_hash hash;
    assert_int_equal(json_string_length(text), 2 * sizeof(hash.bytes));
    assert_true(
        fq_hex_decode((fq_str){json_string_value(text), json_string_length(text)}, hash.bytes));
    return hash;
}

static fq_hash member_hash(const json_t *object, const char *key) {
    return hash_from_hex(json_object_get(object, key));
}

static bool same(fq_hash a, fq_hash b) {
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static size_t load_leaves(const json_t *root, fq_hash out[LEAVES_MAX]) {
    const json_t *leaves = json_object_get(root, "leaves_hex");
    size_t i;
    json_t *leaf;
    json_array_foreach(leaves, i, leaf) {
        uint8_t record[256];
        assert_true(fq_hex_decode(fq_str_of(json_string_value(leaf)), record));
        out[i] = fq_merkle_leaf((fq_str){(const char *)record, json_string_length(leaf) / 2});
    }
    return json_array_size(leaves);
}

static void grows_the_published_roots(void **state) {
    (void)state;
    json_t *root = vectors_load("audit-log");
    fq_hash leaves[LEAVES_MAX];
    const size_t count = load_leaves(root, leaves);
    fq_merkle tree;
    fq_merkle_init(&tree);
    size_t i;
    json_t *expected;
    json_array_foreach(json_object_get(root, "roots"), i, expected) {
        assert_true(same(fq_merkle_root(&tree), hash_from_hex(expected)));
        assert_true(same(fq_merkle_root_of(leaves, i), hash_from_hex(expected)));
        if (i < count) {
            fq_merkle_add(&tree, &leaves[i]);
        }
    }
    json_decref(root);
}

static size_t load_proof(const json_t *vector, fq_hash out[LEAVES_MAX]) {
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(vector, "proof"), i, step) {
        out[i] = hash_from_hex(step);
    }
    return json_array_size(json_object_get(vector, "proof"));
}

static uint64_t member_number(const json_t *object, const char *key) {
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void judges_inclusion_proofs(void **state) {
    (void)state;
    json_t *root = vectors_load("audit-log");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "inclusion"), i, vector) {
        fq_hash proof[LEAVES_MAX];
        const size_t len = load_proof(vector, proof);
        const fq_hash leaf = member_hash(vector, "leaf_hash"),
                      expected = member_hash(vector, "root");
        assert_int_equal(fq_merkle_check_leaf(&leaf, member_number(vector, "index"),
                                              member_number(vector, "size"), proof, len, &expected),
                         strcmp(vectors_text(vector, "expect"), "valid") == 0);
    }
    json_decref(root);
}

static void judges_consistency_proofs(void **state) {
    (void)state;
    json_t *root = vectors_load("audit-log");
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "consistency"), i, vector) {
        fq_hash proof[LEAVES_MAX];
        const size_t len = load_proof(vector, proof);
        const fq_hash old_root = member_hash(vector, "old_root"),
                      new_root = member_hash(vector, "new_root");
        assert_int_equal(fq_merkle_check_growth(member_number(vector, "old_size"), &old_root,
                                                member_number(vector, "new_size"), &new_root, proof,
                                                len),
                         strcmp(vectors_text(vector, "expect"), "valid") == 0);
    }
    json_decref(root);
}

static void proves_each_leaf_of_each_size(void **state) {
    (void)state;
    fq_hash leaves[LEAVES_MAX];
    for (size_t i = 0; i < LEAVES_MAX; i++) {
        const char record[] = {(char)i};
        leaves[i] = fq_merkle_leaf((fq_str){record, 1});
    }
    for (size_t count = 1; count <= LEAVES_MAX; count++) {
        const fq_hash root = fq_merkle_root_of(leaves, count);
        for (size_t index = 0; index < count; index++) {
            fq_hash proof[FQ_MERKLE_PROOF_MAX];
            const size_t len = fq_merkle_prove_leaf(leaves, count, index, proof);
            assert_true(fq_merkle_check_leaf(&leaves[index], index, count, proof, len, &root));
            assert_false(fq_merkle_check_leaf(&leaves[index], index + 1, count, proof, len, &root));
            if (len > 0) {
                assert_false(
                    fq_merkle_check_leaf(&leaves[index], index, count, proof, len - 1, &root));
            }
        }
    }
}

static void seals_exact_bytes(void **state) {
    (void)state;
    const fq_hash first = {{0}};
    fq_batch_record record = {
        .batch = 1, .first_position = 2, .leaf_count = 3, .root = fq_sha256_of(FQ_STR("r"))};
    char bytes[1 + 32 + 8 + 8 + 8 + 32] = {2};
    bytes[40] = 1;
    bytes[48] = 2;
    bytes[56] = 3;
    memcpy(bytes + 57, record.root.bytes, 32);
    const fq_hash seal = fq_batch_seal(&first, &record);
    assert_true(same(seal, fq_sha256_of((fq_str){bytes, sizeof(bytes)})));
    record.leaf_count++;
    assert_false(same(seal, fq_batch_seal(&first, &record)));
    assert_false(same(seal, fq_batch_seal(&seal, &record)));
}

// The plain chain of the vectors, H(n) = SHA-256(H(n-1) | entry), by the same parts.
static void hashes_the_vectors_chain(void **state) {
    (void)state;
    json_t *root = vectors_load("audit-log");
    fq_hash before = {{0}};
    size_t i;
    json_t *vector;
    json_array_foreach(json_object_get(root, "chain"), i, vector) {
        fq_sha256 sha;
        fq_sha256_init(&sha);
        fq_sha256_add(&sha, fq_hash_str(&before));
        fq_sha256_add(&sha, vectors_str(vector, "entry"));
        before = fq_sha256_end(&sha);
        assert_true(same(before, member_hash(vector, "hash")));
    }
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_the_published_roots),
        cmocka_unit_test(judges_inclusion_proofs),
        cmocka_unit_test(judges_consistency_proofs),
        cmocka_unit_test(proves_each_leaf_of_each_size),
        cmocka_unit_test(seals_exact_bytes),
        cmocka_unit_test(hashes_the_vectors_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
