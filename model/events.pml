/* The events of one order, as numbers; a set of them has one bit each. Who publishes and who subscribes, as in the contract. */
#define order_placed        0
#define payment_completed   1
#define payment_failed      2
#define inventory_reserved  3
#define inventory_rejected  4
#define order_withdrawn     5
#define payment_refunded    6
#define payment_voided      7
#define inventory_released  8
#define inventory_voided    9
/* order.withdrawn with an attempt, and the answers of those who had answered before. */
#define withdrawn_again    10
#define payment_repeated   11
#define inventory_repeated 12
#define order_confirmed    13
#define order_cancelled    14

#define bit(e)          (1 << (e))
#define has(set, e)     ((((set) >> (e)) & 1) == 1)
#define with(set, e)    ((set) | bit(e))
#define without(set, e) ((set) & ~bit(e))

#define ORDER     0
#define PAYMENT   1
#define INVENTORY 2
#define SERVICES  3
#define at(service, order) ((service) * ORDERS + (order))

#define to_payment   (bit(order_placed) | bit(inventory_rejected) | bit(order_withdrawn) | bit(withdrawn_again))
#define to_inventory (bit(payment_completed) | bit(order_withdrawn) | bit(withdrawn_again))
#define to_order     (bit(payment_completed) | bit(payment_failed) | bit(inventory_reserved) | bit(inventory_rejected) \
  | bit(payment_refunded) | bit(payment_voided) | bit(payment_repeated) \
  | bit(inventory_released) | bit(inventory_voided) | bit(inventory_repeated))

#define by_order   (bit(order_placed) | bit(order_withdrawn) | bit(withdrawn_again) | bit(order_confirmed) | bit(order_cancelled))
#define by_payment (bit(payment_completed) | bit(payment_failed) | bit(payment_refunded) | bit(payment_voided) | bit(payment_repeated))

/* What order-service reads off the facts: order-service/order.ts. */
#define withdrawals       (bit(order_withdrawn) | bit(withdrawn_again))
#define closing_payment   (bit(payment_failed) | bit(payment_refunded) | bit(payment_voided) | bit(payment_repeated))
#define closing_inventory ((failure_closes_all * bit(payment_failed)) | bit(inventory_rejected) \
  | bit(inventory_released) | bit(inventory_voided) | bit(inventory_repeated))
#define failures          (withdrawals | closing_payment | closing_inventory)
