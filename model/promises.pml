/*
 * The promises of docs/guarantees.md, as far as the model can break them. The checker prints the condition that does not
 * hold, and with it the number of the promise.
 */
#define P2 2
#define P3 3
#define P4 4
#define P5 5
#define P6 6
#define P7 7
#define P8 8
#define P9 9
#define promise(number, holds) assert((holds) || number == 0)

/* Not read by the services. */
byte funds, units;
byte charges[ORDERS], refunds[ORDERS];

#define holds_money(o) (payment[o] == completed)
#define holds_stock(o) (reservation[o] == reserved)
#define money_held (holds_money(0) + holds_money(1))
#define stock_held (holds_stock(0) + holds_stock(1))
#define withdrawal_handled(s, o) ((inbox[at(s, o)] & withdrawals) != 0)

/* In every state. */
inline check(o) {
  promise(P2, !has(journal[o], order_confirmed) || (journal[o] & (bit(order_cancelled) | withdrawals)) == 0);
  promise(P3, balance + money_held == funds && charges[o] <= 1 && refunds[o] <= charges[o]);
  promise(P3, !has(journal[o], order_cancelled) || !holds_money(o));
  promise(P4, stock + stock_held == units);
  promise(P4, !has(journal[o], order_cancelled) || !holds_stock(o));
  promise(P5, !has(journal[o], order_confirmed) || (holds_money(o) && holds_stock(o)));
  promise(P7, !withdrawal_handled(PAYMENT, o) || !holds_money(o));
  promise(P7, !withdrawal_handled(INVENTORY, o) || !holds_stock(o));
  promise(P9, !holds_money(o) || has(journal[o], payment_completed));
  promise(P9, !holds_stock(o) || has(journal[o], inventory_reserved))
}

/* When nothing is left to do. */
inline check_quiet(o) {
  promise(P2, has(journal[o], order_confirmed) || has(journal[o], order_cancelled));
  promise(P8, (journal[o] & to_payment & ~inbox[at(PAYMENT, o)]) == 0);
  promise(P8, (journal[o] & to_inventory & ~inbox[at(INVENTORY, o)]) == 0);
  promise(P8, (journal[o] & to_order & ~inbox[at(ORDER, o)]) == 0)
}
