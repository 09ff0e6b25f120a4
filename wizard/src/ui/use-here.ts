import { useSyncExternalStore } from 'react'

const never = () => () => undefined

/** The address of this page, read at each drawing; undefined on the server. */
export function useHere(): string | undefined {
  return useSyncExternalStore(
    never,
    () => location.href,
    () => undefined,
  )
}
