// The audit chain: what was written cannot be changed later without showing. Pure.
//
// Leaves are the records of a batch in order of position. Their Merkle tree is RFC 6962's (section
// 2.1):
//     leaf = SHA-256(0x00 | record)        node = SHA-256(0x01 | left | right)
// split at the largest power of two below the count; the tree of no leaves is SHA-256 of nothing.
// Each batch is sealed:
//     seal = SHA-256(0x02 | seal before (32) | batch number (8) | first position (8) |
//                    leaf count (8) | root (32))
// with numbers big-endian; the seal before the first is 32 zero bytes.
#pragma once

#include "crypto/digest.h"

fq_hash fq_merkle_leaf(fq_str record);
fq_hash fq_merkle_node(const fq_hash *left, const fq_hash *right);

// A root that grows leaf by leaf: one hash kept for each bit of the count.
typedef struct {
    uint64_t count;
    fq_hash peaks[64];
} fq_merkle;

void fq_merkle_init(fq_merkle *tree);
void fq_merkle_add(fq_merkle *tree, const fq_hash *leaf);
fq_hash fq_merkle_root(const fq_merkle *tree);
// The root of leaves that are at hand.
fq_hash fq_merkle_root_of(const fq_hash *leaves, size_t count);

enum { FQ_MERKLE_PROOF_MAX = 64 };
// Inclusion proof of leaf `index` among `count` leaves (RFC 6962 section 2.1.1); returns its
// length.
size_t fq_merkle_prove_leaf(const fq_hash *leaves, size_t count, size_t index,
                            fq_hash out[FQ_MERKLE_PROOF_MAX]);
// RFC 9162 section 2.1.3.2.
bool fq_merkle_check_leaf(const fq_hash *leaf, uint64_t index, uint64_t count, const fq_hash *proof,
                          size_t proof_count, const fq_hash *root);
// Is the tree of `old_count` leaves a beginning of the one of `new_count`? RFC 9162 section
// 2.1.4.2.
bool fq_merkle_check_growth(uint64_t old_count, const fq_hash *old_root, uint64_t new_count,
                            const fq_hash *new_root, const fq_hash *proof, size_t proof_count);

typedef struct {
    uint64_t batch, first_position, leaf_count;
    fq_hash root;
} fq_batch_record;

fq_hash fq_batch_seal(const fq_hash *seal_before, const fq_batch_record *record);
