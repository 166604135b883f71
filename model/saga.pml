/*
 * The saga, as a model that Spin explores completely: every order of steps, and every fault at every moment. Events,
 * outcomes and states have the names of shared/contract/choreography.ts and of the services. docs/model.md says what is
 * left out, and why that is sound.
 */
#include "settings.pml"
#include "events.pml"

/* ---- three databases: one row for each order, one balance and one stock for all of them ---- */

mtype = { none, completed, failed, refunded, voided, reserved, rejected, released };
mtype payment[ORDERS] = none;
mtype reservation[ORDERS] = none;
/* Each order costs one, and takes one unit. */
byte balance, stock;
/* An event is written in the transaction that changes the state, and stays for ever. */
short journal[ORDERS];
short inbox[SERVICES * ORDERS];

/* What is on its way to a service: in an outbox or in a queue. Every event overtakes every other. */
short coming[SERVICES * ORDERS];
/* Faults that may still come; and how often orders that are being cancelled may still ask again. */
byte faults, asks;
/* The event that is lost for want of an outbox: the first, the second ...; 0: none, there is an outbox. */
byte crash_in;

#include "promises.pml"
#include "recorded.pml"

/* ---- messages ---- */

/* In the publisher's journal, and lost on its way. */
#define missed(s, o, e) (has(journal[o], e) && !has(coming[at(s, o)], e) && !has(inbox[at(s, o)], e))

/*
 * Event e of order o comes to service s: from its queue, or from the journal by reconciliation. What was handled before
 * comes again at any time, and the inbox recognises it: nothing changes, so this is no step. Without the inbox, it is.
 */
#define gets(s, o, e) (has(coming[at(s, o)], e) || (reconciles && missed(s, o, e)) \
  || (!inbox_kept && faults > 0 && has(inbox[at(s, o)], e)))

/* Handles it, in one transaction with the reaction that follows. A crash before the commit is as if it had not come yet. */
inline handle(s, o, e) {
  trail("step %d %d gets %d\n", o, s, e);
  if
  :: has(inbox[at(s, o)], e) -> faults--
  :: else
  fi;
  promise(P6, !has(inbox[at(s, o)], e));
  coming[at(s, o)] = without(coming[at(s, o)], e);
  inbox[at(s, o)] = with(inbox[at(s, o)], e)
}

/* Commits an event with the change of state. A crash after the commit leaves it in the outbox: it goes on coming. */
inline publish(o, e, because) {
  if
  :: crash_in == 1 -> crash_in = 0 /* planted: no outbox, and a crash between commit and publish */
  :: else ->
     crash_in = crash_in - (crash_in > 0 -> 1 : 0);
     trail("step %d publishes %d\n", o, e);
     record(o, e, because);
     journal[o] = with(journal[o], e);
     coming[at(ORDER, o)] = coming[at(ORDER, o)] | (bit(e) & to_order);
     coming[at(PAYMENT, o)] = coming[at(PAYMENT, o)] | (bit(e) & to_payment);
     coming[at(INVENTORY, o)] = coming[at(INVENTORY, o)] | (bit(e) & to_inventory)
  fi
}

/* A reaction finds what cannot be: it would become a dead letter. */
inline contradiction() { promise(P8, false) }

/* ---- payment-service ---- */

inline charge(o) {
  if
  :: payment[o] == voided -> skip /* fenced */
  :: payment[o] == none && (balance > 0 || !balance_checked) ->
     balance--; charges[o]++; payment[o] = completed; publish(o, payment_completed, order_placed)
  :: payment[o] == none && balance == 0 && balance_checked ->
     payment[o] = failed; publish(o, payment_failed, order_placed)
  :: else -> contradiction()
  fi
}

inline refund(o, because) {
  balance++; refunds[o]++; payment[o] = refunded; publish(o, payment_refunded, because)
}

inline refund_rejected(o) {
  if
  :: payment[o] == completed && refunds_rejected -> refund(o, inventory_rejected)
  :: payment[o] == refunded || !refunds_rejected -> skip /* compensated */
  :: else -> contradiction()
  fi
}

inline give_back_money(o, withdrawal) {
  if
  :: payment[o] == completed -> refund(o, withdrawal)
  :: payment[o] == none ->
     payment[o] = (payment_fences -> voided : none);
     publish(o, payment_voided, withdrawal)
  :: else ->
     if
     :: withdrawal == withdrawn_again -> publish(o, payment_repeated, withdrawal)
     :: else -> skip /* compensated */
     fi
  fi
}

proctype payment_service(byte o) {
  byte event;
end:
  do
  :: atomic {
       if
       :: gets(PAYMENT, o, order_placed) -> event = order_placed
       :: gets(PAYMENT, o, inventory_rejected) -> event = inventory_rejected
       :: gets(PAYMENT, o, order_withdrawn) -> event = order_withdrawn
       :: gets(PAYMENT, o, withdrawn_again) -> event = withdrawn_again
       fi;
       d_step {
         handle(PAYMENT, o, event);
         if
         :: event == order_placed -> charge(o)
         :: event == inventory_rejected -> refund_rejected(o)
         :: else -> give_back_money(o, event)
         fi;
         check(o);
         event = 0
       }
     }
  od
}

/* ---- inventory-service ---- */

inline reserve(o) {
  if
  :: reservation[o] == voided -> skip /* fenced */
  :: reservation[o] == none && (stock > 0 || !stock_checked) ->
     stock--; reservation[o] = reserved; publish(o, inventory_reserved, payment_completed)
  :: reservation[o] == none && stock == 0 && stock_checked ->
     reservation[o] = rejected; publish(o, inventory_rejected, payment_completed)
  :: else -> contradiction()
  fi
}

inline give_back_stock(o, withdrawal) {
  if
  :: reservation[o] == reserved ->
     stock = stock + (stock_returned -> 1 : 0);
     reservation[o] = released; publish(o, inventory_released, withdrawal)
  :: reservation[o] == none ->
     reservation[o] = (inventory_fences -> voided : none);
     publish(o, inventory_voided, withdrawal)
  :: else ->
     if
     :: withdrawal == withdrawn_again -> publish(o, inventory_repeated, withdrawal)
     :: else -> skip /* compensated */
     fi
  fi
}

proctype inventory_service(byte o) {
  byte event;
end:
  do
  :: atomic {
       if
       :: gets(INVENTORY, o, payment_completed) -> event = payment_completed
       :: gets(INVENTORY, o, order_withdrawn) -> event = order_withdrawn
       :: gets(INVENTORY, o, withdrawn_again) -> event = withdrawn_again
       fi;
       d_step {
         handle(INVENTORY, o, event);
         if
         :: event == payment_completed -> reserve(o)
         :: else -> give_back_stock(o, event)
         fi;
         check(o);
         event = 0
       }
     }
  od
}

/* ---- order-service: the status of an order is a function of the facts about it ---- */

#define facts(o)      (inbox[at(ORDER, o)] | (journal[o] & withdrawals))
#define failing(o)    ((facts(o) & failures) != 0)
#define closed(o)     ((facts(o) & closing_payment) != 0 && (facts(o) & closing_inventory) != 0)
#define placed(o)     has(journal[o], order_placed)
#define pending(o)    (placed(o) && !failing(o) && !has(facts(o), inventory_reserved))
#define confirmed(o)  (!failing(o) && has(facts(o), inventory_reserved))
#define cancelling(o) (failing(o) && !closed(o))
#define cancelled(o)  (failing(o) && (closed(o) || cancels_early))

inline confirm_or_not(o) {
  if
  :: confirmed(o) || ignores_withdrawal -> publish(o, order_confirmed, inventory_reserved)
  :: else -> skip /* withdrawn */
  fi
}

inline cancel_or_wait(o, because) {
  if
  :: has(journal[o], order_confirmed) -> contradiction()
  :: else
  fi;
  if
  :: cancelled(o) && !has(journal[o], order_cancelled) -> publish(o, order_cancelled, because)
  :: else -> skip /* waits, or ended */
  fi
}

proctype order_service(byte o) {
  byte event;
end:
  do
  :: d_step { !placed(o) -> publish(o, order_placed, 0) }
  /* The customer cancels, or the deadline passes: at any moment. */
  :: d_step {
       (pending(o) || (withdraws_confirmed && confirmed(o))) && !has(journal[o], order_withdrawn) ->
       publish(o, order_withdrawn, 0);
       check(o)
     }
  /* Answers are missing: it asks again. */
  :: d_step { cancelling(o) && asks > 0 && !has(journal[o], withdrawn_again) -> asks--; publish(o, withdrawn_again, 0) }
  :: atomic {
       if
       :: gets(ORDER, o, payment_completed) -> event = payment_completed
       :: gets(ORDER, o, payment_failed) -> event = payment_failed
       :: gets(ORDER, o, payment_refunded) -> event = payment_refunded
       :: gets(ORDER, o, payment_voided) -> event = payment_voided
       :: gets(ORDER, o, payment_repeated) -> event = payment_repeated
       :: gets(ORDER, o, inventory_reserved) -> event = inventory_reserved
       :: gets(ORDER, o, inventory_rejected) -> event = inventory_rejected
       :: gets(ORDER, o, inventory_released) -> event = inventory_released
       :: gets(ORDER, o, inventory_voided) -> event = inventory_voided
       :: gets(ORDER, o, inventory_repeated) -> event = inventory_repeated
       fi;
       d_step {
         handle(ORDER, o, event);
         if
         :: event == payment_completed && !(confirms_early && pending(o)) -> skip /* noted */
         :: event == payment_completed && confirms_early && pending(o) -> publish(o, order_confirmed, event)
         :: event == inventory_reserved -> confirm_or_not(o)
         :: else -> cancel_or_wait(o, event)
         fi;
         check(o);
         event = 0
       }
     }
  od
}

/* ---- the broker loses everything in a queue that is about one order ---- */

#define loses(s, o) (faults > 0 && coming[at(s, o)] != 0)

proctype broker(byte o) {
end:
  do
  :: d_step { loses(ORDER, o) -> trail("step %d %d loses\n", o, ORDER); faults--; coming[at(ORDER, o)] = 0 }
  :: d_step { loses(PAYMENT, o) -> trail("step %d %d loses\n", o, PAYMENT); faults--; coming[at(PAYMENT, o)] = 0 }
  :: d_step { loses(INVENTORY, o) -> trail("step %d %d loses\n", o, INVENTORY); faults--; coming[at(INVENTORY, o)] = 0 }
  od
}

init {
  byte o;
  atomic {
    read_settings();
    if
    :: outbox_kept
    :: else -> select(crash_in : 1 .. 8)
    fi;
    select(funds : funds_min .. funds_max);
    select(units : units_min .. units_max);
    balance = funds; stock = units;
    for (o : 0 .. orders - 1) {
      run order_service(o); run payment_service(o); run inventory_service(o); run broker(o)
    }
  }
  /* Nothing is left to do. */
  atomic { timeout -> for (o : 0 .. orders - 1) { check_quiet(o); print_recorded(o) } }
}
