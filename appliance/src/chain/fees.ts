import { AppError } from '../errors/app-error.ts'

/** EIP-1559 fees, wei per gas. */
export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

export interface FeeFacts {
  /** Of the newest block. */
  baseFee: bigint
  /** What the node suggests. */
  tip: bigint
  gasLimit: bigint
  /** The form that is to be replaced, if any. */
  former?: Fees | undefined
  /** Most that one transaction may cost, wei. */
  capPerTransaction: bigint
  /** What the day's cap leaves, wei. */
  leftToday: bigint
}

/** Nodes take a replacement only if both fees rise by at least 10 %, some by 12.5 %: rounded up so that it surely passes. */
function raised(value: bigint): bigint {
  return (value * 1125n) / 1000n + 1n
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/**
 * The fees to sign with: room for a doubled base fee, cut down to the caps while the transaction could still be mined now.
 * Throws AppError `fee-cap` if not even that fits.
 */
export function chooseFees({ baseFee, tip, gasLimit, former, capPerTransaction, leftToday }: FeeFacts): Fees {
  const priority = former === undefined ? tip : larger(tip, raised(former.maxPriorityFeePerGas))
  const needed = larger(baseFee + priority, former === undefined ? 0n : raised(former.maxFeePerGas))
  const wanted = larger(2n * baseFee + priority, needed)
  const cap = (capPerTransaction < leftToday ? capPerTransaction : leftToday) / gasLimit
  if (needed > cap) {
    const which = capPerTransaction < leftToday ? 'one transaction' : 'one day'
    throw new AppError({
      code: 'fee-cap',
      detail: `The network asks ${needed * gasLimit} wei, more than the limit of ${which} allows.`,
    })
  }
  return { maxFeePerGas: wanted < cap ? wanted : cap, maxPriorityFeePerGas: priority }
}
