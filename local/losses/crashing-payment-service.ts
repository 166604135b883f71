// payment-service with a bug that no exception handler helps against: the order of one user, CRASHING_USER, ends the process.
import { paymentProgram } from '../../payment-service/program.ts';
import { paymentService } from '../../payment-service/service.ts';
import { runService } from '../../shared/runtime/process/run-service.ts';

await runService({
  ...paymentProgram,
  definition: {
    ...paymentService,
    build(db) {
      const parts = paymentService.build(db);
      const reactions: typeof parts.reactions = {
        ...parts.reactions,
        'order.placed': (event, at) => {
          if (event.data.userId === process.env['CRASHING_USER']) process.kill(process.pid, 'SIGKILL');
          return parts.reactions['order.placed'](event, at);
        },
      };
      return { ...parts, reactions };
    },
  },
});
