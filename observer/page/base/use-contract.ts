// The contract: asked for once.
import { useEffect, useState } from 'preact/hooks';
import type { ContractView } from '../../model/messages.ts';
import { api } from './api.ts';

let asked: Promise<ContractView> | undefined;

export function useContract(): ContractView | undefined {
  const [contract, setContract] = useState<ContractView | undefined>();
  useEffect(() => {
    let gone = false;
    const ask = () => {
      asked ??= api.contract();
      asked.then(
        (answer) => gone || setContract(answer),
        () => {
          asked = undefined;
          if (!gone) setTimeout(ask, 1_000);
        },
      );
    };
    ask();
    return () => {
      gone = true;
    };
  }, []);
  return contract;
}
