/*
 * What the checker prints. In a counterexample: its steps. With RECORDED: the journals of order 0 at the end of every run,
 * each event with its cause, so that the journals of real orders can be looked up among them.
 */
#ifdef RECORDED

#define ENTRIES_MAX 12
byte recorded_event[ENTRIES_MAX], recorded_cause[ENTRIES_MAX], entries[SERVICES];
#define slot(s) ((s) * 4 + entries[s])
#define publisher(e) ((bit(e) & by_order) != 0 -> ORDER : ((bit(e) & by_payment) != 0 -> PAYMENT : INVENTORY))

inline record(o, e, because) {
  recorded_event[slot(publisher(e))] = e;
  recorded_cause[slot(publisher(e))] = because;
  entries[publisher(e)]++
}

inline print_recorded(o) {
  byte entry;
  printf("journals");
  for (entry : 0 .. ENTRIES_MAX - 1) {
    printf(" %d/%d", recorded_event[entry], recorded_cause[entry])
  }
  printf("\n")
}
#define trail(...) skip

#else

#define record(o, e, because) skip
#define print_recorded(o) skip
#define trail(...) printf(__VA_ARGS__)

#endif
