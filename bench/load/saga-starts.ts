// The two ways to start a saga: a POST to order-service, or the message that order-service would publish.
import type { ConfirmChannel } from 'amqplib';
import { type HttpClient, postRequest } from './http-client.ts';
import { rawSagaId, type SampleMessage } from './saga-messages.ts';
import { orderOf, type Scenario, type Shop } from './shop.ts';

/** Starts saga number `index`. */
export type StartSaga = (index: number, answer: StartAnswer) => void;

/** `refused` and `failed` end a saga; `failed` may come after `started`. */
export interface StartAnswer {
  started(orderId: string): void;
  /** 503: more than the service takes on. */
  refused(): void;
  failed(): void;
}

const orderIdKey = '"orderId":"';
const uuidLength = 36;

export function startByHttp(http: HttpClient, shop: Shop, scenario: Scenario): StartSaga {
  return (index, { started, refused, failed }) =>
    http.send(postRequest('/orders', orderOf(shop, scenario, index)), (status, body) => {
      // Not parsed: the load generator shares the processors with what it measures.
      const at = status === 202 ? body.indexOf(orderIdKey) : -1;
      const from = at + orderIdKey.length;
      if (at >= 0) started(body.slice(from, from + uuidLength));
      else if (status === 503) refused();
      else failed();
    });
}

export function startByPublishing(publisher: ConfirmChannel, placed: SampleMessage, scenario: Scenario): StartSaga {
  const body = Buffer.from(placed.body, 'base64');
  return (index, { started, failed }) => {
    const id = rawSagaId(scenario, index);
    started(id);
    publisher.publish(
      placed.exchange,
      placed.type,
      body,
      {
        persistent: true,
        mandatory: placed.mandatory,
        contentType: placed.contentType,
        type: placed.type,
        appId: placed.appId,
        messageId: id,
        correlationId: id,
      },
      (error: unknown) => error && failed(),
    );
  };
}
