/*
 * What the checker is asked for, read from the environment of its process, so that one compiled checker does for every
 * run: tools/model sets it. And the planted errors: each takes away one rule that the protocol stands on.
 */
#define ORDERS 2

/* Orders that are placed. */
byte orders;
/* How many of them can be paid for, and how many delivered: each number between these is tried. */
byte funds_min, funds_max, units_min, units_max;
byte planted;

inline read_settings() {
  c_code {
    now.orders = atoi(getenv("ORDERS"));
    now.faults = atoi(getenv("FAULTS"));
    now.asks = atoi(getenv("ASKS"));
    now.funds_min = atoi(getenv("FUNDS_MIN"));
    now.funds_max = atoi(getenv("FUNDS_MAX"));
    now.units_min = atoi(getenv("UNITS_MIN"));
    now.units_max = atoi(getenv("UNITS_MAX"));
    now.planted = atoi(getenv("PLANTED"));
  }
}

#define payment_fences      (planted != 1)
#define inventory_fences    (planted != 2)
#define inbox_kept          (planted != 3)
#define reconciles          (planted != 4)
#define outbox_kept         (planted != 5)
#define cancels_early       (planted == 6)
#define ignores_withdrawal  (planted == 7)
#define refunds_rejected    (planted != 8)
#define stock_returned      (planted != 9)
#define balance_checked     (planted != 10)
#define stock_checked       (planted != 11)
#define withdraws_confirmed (planted == 12)
#define failure_closes_all  (planted != 13)
#define confirms_early      (planted == 14)
