/** Whether the host answers, as the last calls saw it (X6). A tiny store, for useSyncExternalStore. */
export interface Link {
  lost: boolean
  /** When the host last answered, by this browser's clock in milliseconds; 0 before the first answer. */
  answeredAt: number
}

let link: Link = { lost: false, answeredAt: 0 }
const listeners = new Set<() => void>()

export function readLink(): Link {
  return link
}

export function watchLink(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Notes an answer or its absence; listeners hear of it only when `lost` changes. */
export function noteLink(answered: boolean): void {
  const changed = link.lost === answered
  link = { lost: !answered, answeredAt: answered ? Date.now() : link.answeredAt }
  if (changed) for (const listener of listeners) listener()
}
