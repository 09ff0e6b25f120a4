import { formatUnits, parseUnits } from 'ethers'
import type { Quote } from '../api/schemas/status.ts'
import { zeroAddress } from '../chain/subscription.ts'
import { AppError } from '../errors/app-error.ts'
import type { CliContext } from './context.ts'
import { oneLine } from './output.ts'
import { askTerminal } from './terminal.ts'

/** How a person bounds and agrees to a payment. */
export interface Agreement {
  /** The most that may be paid, in the token's own unit, such as `12.5`. */
  max?: string
  /** Nobody is asked: for scripts, which bound it with `max`. */
  yes?: boolean
}

/**
 * The price of a quote in text, `5 USDC`. A quote is the host's word: throws `misdirected` if it is for something else than was
 * asked for, or shifts the point of a native coin.
 */
export function priceOf(quote: Quote, asked: Pick<Quote, 'planId' | 'token' | 'seconds'>): string {
  const isAsked = quote.planId === asked.planId && quote.seconds === asked.seconds && same(quote.token, asked.token)
  if (!isAsked || (same(quote.token, zeroAddress) && quote.decimals !== 18)) {
    throw new AppError({
      code: 'misdirected',
      detail: 'The host answered with a quote for something else than was asked for.',
      hint: 'Pay nothing. This host is not to be trusted.',
    })
  }
  return `${formatUnits(quote.price, quote.decimals)} ${oneLine(quote.symbol)}`
}

/**
 * Before anything is signed that pays: never above `max`; without `yes` the person is asked at the terminal. Development wallets
 * hold play money and ask nobody. Throws `bad-input`: above the bound, not agreed to, nobody to ask.
 */
export async function agreeToPay(context: CliContext, quote: Quote, total: string, agreement: Agreement): Promise<void> {
  const { max, yes } = agreement
  if (max !== undefined && BigInt(quote.price) > boundOf(max, quote.decimals)) {
    throw new AppError({
      code: 'bad-input',
      detail: `It costs ${total}, more than --max ${max}.`,
      hint: 'Nothing was paid. See the prices: freehold plans',
    })
  }
  if (yes === true || context.options.devWallet !== undefined) return
  const answer = await askTerminal(`Pay ${total}? Type yes to pay: `, {
    hidden: false,
    withoutTerminal: 'Nothing was paid. For scripts: --max AMOUNT --yes',
  })
  if (answer.trim().toLowerCase() === 'yes') return
  throw new AppError({ code: 'bad-input', detail: 'Nothing was paid.', hint: 'Type yes to pay, or use --max AMOUNT --yes.' })
}

function boundOf(max: string, decimals: number): bigint {
  if (!/^[0-9]{1,40}(\.[0-9]{1,40})?$/.test(max) || (max.split('.')[1]?.length ?? 0) > decimals) {
    throw new AppError({ code: 'bad-input', detail: `"${max}" is no amount of this token.`, hint: 'Write it as 12 or 12.5.' })
  }
  return parseUnits(max, decimals)
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}
