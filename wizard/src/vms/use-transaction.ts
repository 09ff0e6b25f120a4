'use client'
import { useState } from 'react'
import { PageFailure } from '../api/failure.ts'
import { sendCall, waitIncluded, type Call } from '../chain/send.ts'
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
  const [stage, setStage] = useState<'wallet' | 'network'>()
  const [error, setError] = useState<unknown>()
  async function run(call: Call): Promise<boolean> {
    setError(undefined)
    setStage('wallet')
    try {
      if (wallet === undefined) throw new PageFailure('wallet.gone')
      const hash = await sendCall(wallet, call)
      setStage('network')
      await waitIncluded(hash)
      return true
    } catch (e) {
      setError(e)
      return false
    } finally {
      setStage(undefined)
    }
  }
  return { stage, error, run }
}
