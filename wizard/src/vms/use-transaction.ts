'use client'
import { PageFailure } from '../api/failure.ts'
import { sendCall, waitIncluded, type Call } from '../chain/send.ts'
import { usePress } from '../ui/use-press.ts'
import { useWallets } from '../wallet/wallet-context.tsx'

/** One transaction of the connected wallet: which side is awaited, and what went wrong. */
export interface TransactionState {
  stage: 'wallet' | 'network' | undefined
  error: unknown
  /** Sends and waits until it is included; true if it had its effect. Never throws: see `error`. */
  run(call: Call): Promise<boolean>
}

export function useTransaction(): TransactionState {
  const { current: wallet } = useWallets()
  const { at, error, run } = usePress<'wallet' | 'network'>()
  const send = (call: Call) =>
    run(async (now) => {
      if (wallet === undefined) throw new PageFailure('wallet.gone')
      const hash = await sendCall(wallet, call)
      now('network')
      await waitIncluded(hash)
    }, 'wallet')
  return { stage: at, error, run: send }
}
