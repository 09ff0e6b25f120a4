import { classes } from './classes.ts'

/** Holds the place of what is coming, in its size (X4). The text for screen readers is the caller's one `Loading`. */
export function Skeleton({ className }: { className: string }) {
  return <div aria-hidden="true" className={classes('animate-pulse rounded-lg bg-sunk', className)} />
}
