/** Lets at most `places` pieces of work with the same name run at once; the others wait their turn. */
export class Gate {
  readonly #places: number
  readonly #waiting = new Map<string, { running: number; queue: (() => void)[] }>()

  constructor(places: number) {
    this.#places = places
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const state = this.#waiting.get(name) ?? { running: 0, queue: [] }
    this.#waiting.set(name, state)
    if (state.running >= this.#places) await new Promise<void>((turn) => state.queue.push(turn))
    else state.running++
    try {
      return await work()
    } finally {
      const next = state.queue.shift()
      if (next !== undefined) next()
      else if (--state.running === 0) this.#waiting.delete(name)
    }
  }
}
