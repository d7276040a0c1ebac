// Is the ledger right, and is the record of what happened whole? Reads one database from its first
// batch to its last, in one state, and computes everything anew:
//
//   chain      each batch's seal from its events and transfers and the seal before; the head's seal
//   positions  of events and transfers, without gaps, each in the batch that claims it
//   entries    the balance of both accounts after each transfer; no wallet below zero on the way
//   balances   each account's, from its entries; all of one currency add up to zero
//
// Works with bounded memory but for the accounts (64 bytes each). Changes nothing.
#pragma once

#include "base/money.h"
#include "store/engine.h"

// To add a fault, add a row: name, sentence in English, in Chinese. {batch}, {position}, {account},
// {currency}, {expected} and {found} are filled.
#define FQ_LEDGER_FAULTS(X)                                                                       \
    X(BATCH_MISSING, "batch {batch} is missing", "缺少批次 {batch}")                              \
    X(BATCH_RANGE, "batch {batch} does not begin where the one before it ends",                   \
      "批次 {batch} 与前一批次不衔接")                                                            \
    X(SEAL, "batch {batch} does not fit its seal: an event or transfer of it was changed",        \
      "批次 {batch} 与其封印不符：其中的事件或转账被改动")                                        \
    X(EVENT_GAP, "batch {batch}: event {expected} is missing, {found} comes next",                \
      "批次 {batch}：缺少事件 {expected}，其后为 {found}")                                        \
    X(TRANSFER_GAP, "batch {batch}: transfer {expected} is missing, {found} comes next",          \
      "批次 {batch}：缺少转账 {expected}，其后为 {found}")                                        \
    X(ACCOUNT_UNKNOWN, "batch {batch}, transfer {position}: there is no account {account}",       \
      "批次 {batch}，转账 {position}：账户 {account} 不存在")                                     \
    X(CURRENCY, "batch {batch}, transfer {position}: account {account} is of another currency",   \
      "批次 {batch}，转账 {position}：账户 {account} 的币种不同")                                 \
    X(AFTER,                                                                                      \
      "batch {batch}, transfer {position}: account {account} has {expected} after it, but the "   \
      "transfer says {found}",                                                                    \
      "批次 {batch}，转账 {position}：其后账户 {account} 应为 {expected}，转账记为 {found}")      \
    X(BELOW_ZERO, "batch {batch}, transfer {position}: wallet {account} falls to {found}",        \
      "批次 {batch}，转账 {position}：钱包 {account} 降至 {found}")                               \
    X(BALANCE, "account {account} holds {found}, but its entries make {expected}",                \
      "账户 {account} 余额为 {found}，但其分录合计为 {expected}")                                 \
    X(SUM, "the balances of {currency} do not add up to zero", "{currency} 各账户余额之和不为零") \
    X(HEAD, "the head does not name the last batch ({batch}) and its seal",                       \
      "数据库头与最后一个批次（{batch}）及其封印不符")                                            \
    X(BEHIND, "position {position} stands behind the last batch ({batch})",                       \
      "位置 {position} 位于最后一个批次（{batch}）之后")

typedef enum {
    FQ_LEDGER_SOUND = 0,
#define X(name, english, chinese) FQ_LEDGER_##name,
    FQ_LEDGER_FAULTS(X)
#undef X
} fq_ledger_fault_kind;

typedef struct {
    fq_ledger_fault_kind kind;
    uint64_t batch, position, account;
    fq_currency currency;
    int64_t expected, found;  // positions, or minor units
} fq_ledger_fault;

typedef struct {
    uint64_t batches, events, transfers, accounts, currencies;
} fq_ledger_summary;

typedef struct {
    void (*at)(void *context, uint64_t done, uint64_t total);  // rows; may be NULL
    void *context;
} fq_ledger_watch;

// Verifies the database behind `engine`; a database without a ledger has its chain verified. The
// first fault is in `out_fault`, FQ_LEDGER_SOUND when there is none.
// Errors: the store's, when it cannot be read.
FQ_MUST_USE fq_err fq_ledger_verify(fq_engine *engine, const fq_ledger_watch *watch,
                                    fq_ledger_summary *out_summary, fq_ledger_fault *out_fault);

enum { FQ_LEDGER_FAULT_TEXT_MAX = 320 };
// The fault as a sentence without a full stop.
void fq_ledger_fault_text(const fq_ledger_fault *fault, fq_language language,
                          char out[FQ_LEDGER_FAULT_TEXT_MAX]);
