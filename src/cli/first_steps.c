// The first steps, as lines to paste. Ids are taken out of the answers by the lines themselves, and
// Idempotency-Keys are made of ids, so that the block can be pasted again.
#include "cli/first_steps.h"

#include "crypto/digest.h"
#include "user/keys.h"

enum { TEXT_BYTES_MAX = 16 << 10, ARENA_BYTES_MAX = 1 << 20 };

typedef struct {
    const char *comment[2];
    const char *lines;
} step;

// URL, AUTH, JSON and id_of are set before.
static const step steps[] = {
    {{"Two users: Ann pays, Bob's shop is paid.", "两个用户：小安付款，小鲍的店收款。"},
     "ANN=$(curl -sS $URL/v1/users -H \"$AUTH\" -H \"$JSON\" -d '{\"name\":\"Ann\"}' | id_of usr)\n"
     "BOB=$(curl -sS $URL/v1/users -H \"$AUTH\" -H \"$JSON\" \\\n"
     "    -d '{\"name\":\"Bob\",\"roles\":[\"merchant\"]}' | id_of usr)\n"},
    {{"100.00 CNY into Ann's wallet; amounts are in fen.",
      "向小安的钱包充值 100.00 元；金额以分为单位。"},
     "curl -sSw '\\n' $URL/v1/topups -H \"$AUTH\" -H \"$JSON\" -H \"Idempotency-Key: topup-$ANN\" \\\n"
     "    -d '{\"user_id\":\"'$ANN'\",\"amount\":10000,\"currency\":\"CNY\",\"method\":\"sandbox\"}'\n"},
    {{"Bob asks for 19.99 CNY.", "小鲍下单收款 19.99 元。"},
     "ORDER=$(curl -sS $URL/v1/orders -H \"$AUTH\" -H \"$JSON\" \\\n"
     "    -d '{\"payee_id\":\"'$BOB'\",\"amount\":1999,\"currency\":\"CNY\",\"description\":\"Tea\"}' | id_of ord)\n"},
    {{"Ann pays.", "小安付款。"},
     "PAYMENT=$(curl -sS $URL/v1/payments -H \"$AUTH\" -H \"$JSON\" -H \"Idempotency-Key: pay-$ORDER\" \\\n"
     "    -d '{\"order_id\":\"'$ORDER'\",\"user_id\":\"'$ANN'\",\"amount\":1999,\"currency\":\"CNY\","
     "\"method\":\"balance\"}' | id_of pay)\n"
     "curl -sSw '\\n' $URL/v1/payments/$PAYMENT -H \"$AUTH\"\n"},
    {{"5.00 CNY back.", "退款 5.00 元。"},
     "curl -sSw '\\n' $URL/v1/refunds -H \"$AUTH\" -H \"$JSON\" -H \"Idempotency-Key: refund-$PAYMENT\" \\\n"
     "    -d '{\"payment_id\":\"'$PAYMENT'\",\"amount\":500}'\n"},
    {{"Who has how much, how it got there (the ledger), and everything that happened.",
      "余额、账本分录与全部事件。"},
     "curl -sSw '\\n' $URL/v1/users/$ANN/balances -H \"$AUTH\"\n"
     "curl -sSw '\\n' $URL/v1/users/$BOB/balances -H \"$AUTH\"\n"
     "curl -sSw '\\n' $URL/v1/payments/$PAYMENT/entries -H \"$AUTH\"\n"
     "curl -sSw '\\n' $URL/v1/events -H \"$AUTH\"\n"},
};

void cli_first_steps_text(const char *url, fq_str token, fq_language language, fq_buffer *out) {
    fq_buffer_printf(
        out,
        "URL=%s\n"
        "AUTH='Authorization: Bearer %.*s'\n"
        "JSON='Content-Type: application/json'\n"
        "id_of() { sed -n 's/.*\"id\":\"\\('$1'_[0-9A-Z]*\\)\".*/\\1/p'; }  # takes an id out of an answer\n",
        url, FQ_STR_ARGS(token));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        fq_buffer_printf(out, "\n# %s\n%s", steps[i].comment[language], steps[i].lines);
    }
}

static void say(cli_call *call, const char *english, const char *chinese) {
    fprintf(call->err, "\n%s\n", call->language == FQ_CHINESE ? chinese : english);
}

void cli_print_first_steps(cli_call *call, fq_house *house) {
    fq_service *user = fq_house_service(house, FQ_SERVICE_USER);
    if (!user || user->live) {
        say(call, "First steps are shown in sandbox mode, where the user service runs.",
            "入门命令仅在沙箱模式下、由运行用户服务的进程显示。");
        return;
    }
    const fq_key_request asked = {.algorithm = FQ_ALGORITHM_BEARER, .scope = FQ_STR("admin")};
    fq_created_key key;
    fq_arena arena;
    fq_arena_init(&arena, ARENA_BYTES_MAX);
    const fq_err err = fq_user_key_create(user, &asked, &arena, &key);
    if (err.code) {
        cli_complain_err(call, err);
    } else {
        fq_buffer text;
        fq_buffer_init(&text, TEXT_BYTES_MAX);
        cli_first_steps_text(fq_house_url(house), key.secret, call->language, &text);
        say(call, "Paste this into another terminal for a first payment:",
            "将以下内容粘贴到另一个终端，完成首笔支付：");
        fprintf(call->out, "\n%.*s\n", FQ_STR_ARGS(fq_buffer_str(&text)));
        fflush(call->out);
        fq_wipe(text.at, text.capacity);
        fq_buffer_free(&text);
    }
    fq_arena_wipe(&arena);
    fq_arena_free(&arena);
}
