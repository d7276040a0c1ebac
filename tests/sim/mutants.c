// Bugs put in on purpose, to see that the simulator finds them. Those of the store stand in
// store.c, the one of early answers in processes.c; here are those that stand in the place of the
// services' rules. Product code knows none of them.
#include "sim/sim.h"

fq_err __real_payment_decide_pay(payment_pay *pay, fq_batch *batch);
fq_err __wrap_payment_decide_pay(payment_pay *pay, fq_batch *batch);
void __real_order_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event);
void __wrap_order_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event);

fq_err __wrap_payment_decide_pay(payment_pay *pay, fq_batch *batch) {
    if (sim_now->mutant == SIM_MUTANT_unguarded && pay->guard->row.state != FQ_ROW_ABSENT) {
        pay->guard->state = FQ_GUARD_OPEN;
    }
    return __real_payment_decide_pay(pay, batch);
}

void __wrap_order_follow_decide(fq_service *service, fq_batch *batch, const fq_event_row *event) {
    if (sim_now->mutant == SIM_MUTANT_skipped_event && sim_chance(sim_now, 4)) {
        return;
    }
    __real_order_follow_decide(service, batch, event);
}
