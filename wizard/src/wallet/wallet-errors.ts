import { PageFailure } from '../api/failure.ts'

/** A wallet's refusal in our words. Codes: EIP-1193 4001 (declined), EIP-1474 -32002 (a request is open). */
export function walletFailure(cause: unknown): PageFailure {
  if (cause instanceof PageFailure) return cause
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
  if (code === 4001 || code === 'ACTION_REJECTED') return new PageFailure('wallet.refused', {}, cause)
  if (code === -32002) return new PageFailure('wallet.pending', {}, cause)
  const text = typeof message === 'string' && message !== '' ? message.split('\n')[0]?.slice(0, 160) : undefined
  return new PageFailure('wallet.failed', { message: text ?? (typeof code === 'number' ? `code ${code}` : '?') }, cause)
}
