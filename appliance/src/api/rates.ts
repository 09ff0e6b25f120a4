import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { Lock } from '../host/lock.ts'
import type { SettingRepository } from '../store/settings.ts'
import { rateSchema, type FiatRate } from './schemas/status.ts'

const settingKey = 'fiat-rates'
const keptSchema = z.array(rateSchema)
/** More tokens than anybody sells for. */
const mostRates = 20

/** What one whole token is worth, as the operator said on a day (X21). Nothing is fetched from anywhere. */
export class Rates {
  readonly #settings: Pick<SettingRepository, 'get' | 'put'>
  readonly #lock = new Lock()
  #known: readonly FiatRate[] | undefined

  constructor(settings: Pick<SettingRepository, 'get' | 'put'>) {
    this.#settings = settings
  }

  /** Held in memory: every page asks for them again and again. */
  async list(): Promise<readonly FiatRate[]> {
    this.#known ??= (await this.#settings.get(settingKey, keptSchema)) ?? []
    return this.#known
  }

  /** Puts this rate in the place of the token's former one, or takes that away. Throws `bad-input` for one too many. */
  async set(token: string, rate: Omit<FiatRate, 'token'> | undefined): Promise<void> {
    await this.#lock.run(async () => {
      const others = (await this.list()).filter((one) => one.token !== token)
      const next = rate === undefined ? others : [...others, { token, ...rate }]
      if (next.length > mostRates) {
        throw new AppError({ code: 'bad-input', detail: `There are ${mostRates} rates already.`, hint: 'Remove one first.' })
      }
      await this.#settings.put(settingKey, next)
      this.#known = next
    })
  }
}

const opened = new WeakMap<object, Rates>()

/** The one list of a store. */
export function ratesOf(settings: Pick<SettingRepository, 'get' | 'put'>): Rates {
  const rates = opened.get(settings) ?? new Rates(settings)
  opened.set(settings, rates)
  return rates
}
