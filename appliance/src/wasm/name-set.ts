/**
 * A set of 64-bit names in one block of memory: 8 bytes each, at most two thirds full. A million strings in a `Set` take ten
 * times that, outside of any bound that could be told beforehand.
 */
export class NameSet {
  /** Two words a place; both 0: free. */
  #words = new Uint32Array(2 * 1024)
  #size = 0

  get size(): number {
    return this.#size
  }

  has(name: Uint8Array): boolean {
    const [high, low] = wordsOf(name)
    return this.#isTaken(this.#placeOf(high, low))
  }

  /** Nothing if it is there. */
  add(name: Uint8Array): void {
    const [high, low] = wordsOf(name)
    const place = this.#placeOf(high, low)
    if (this.#isTaken(place)) return
    this.#set(place, high, low)
    this.#size += 1
    if (this.#size * 3 > this.#words.length) this.#grow()
  }

  /** Whether it was there. */
  delete(name: Uint8Array): boolean {
    const [high, low] = wordsOf(name)
    let free = this.#placeOf(high, low)
    if (!this.#isTaken(free)) return false
    // what stands behind it and was pushed there moves up, so that every search still ends at a free place
    for (let at = this.#next(free); this.#isTaken(at); at = this.#next(at)) {
      const home = this.#home(this.#words[2 * at + 1] ?? 0)
      const isBetween = free <= at ? free < home && home <= at : free < home || home <= at
      if (isBetween) continue
      this.#set(free, this.#words[2 * at] ?? 0, this.#words[2 * at + 1] ?? 0)
      free = at
    }
    this.#set(free, 0, 0)
    this.#size -= 1
    return true
  }

  #home(low: number): number {
    return low & (this.#words.length / 2 - 1)
  }

  #next(place: number): number {
    return (place + 1) & (this.#words.length / 2 - 1)
  }

  #isTaken(place: number): boolean {
    return this.#words[2 * place] !== 0 || this.#words[2 * place + 1] !== 0
  }

  #set(place: number, high: number, low: number): void {
    this.#words[2 * place] = high
    this.#words[2 * place + 1] = low
  }

  /** Where it stands, or the free place where it would. */
  #placeOf(high: number, low: number): number {
    let place = this.#home(low)
    while (this.#isTaken(place) && (this.#words[2 * place] !== high || this.#words[2 * place + 1] !== low))
      place = this.#next(place)
    return place
  }

  #grow(): void {
    const former = this.#words
    this.#words = new Uint32Array(former.length * 2)
    for (let at = 0; at < former.length; at += 2) {
      const [high = 0, low = 0] = former.subarray(at, at + 2)
      if (high !== 0 || low !== 0) this.#set(this.#placeOf(high, low), high, low)
    }
  }
}

/** The first eight bytes; the one name that would look like a free place counts as its neighbour. */
function wordsOf(name: Uint8Array): [number, number] {
  const view = new DataView(name.buffer, name.byteOffset, 8)
  const [high, low] = [view.getUint32(0), view.getUint32(4)]
  return high === 0 && low === 0 ? [0, 1] : [high, low]
}
