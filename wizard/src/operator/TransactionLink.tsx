import Link from 'next/link'
import { textLink } from '../ui/link-button.ts'
import { classes } from '../ui/classes.ts'

/** Leads to what the network says of a transaction; short to read, whole for those who listen or hover. */
export function TransactionLink({ hash }: { hash: string }) {
  return (
    <Link
      href={`/operator/transactions/${hash}`}
      title={hash}
      className={classes(textLink, 'font-mono text-[0.95em] whitespace-nowrap')}
    >
      {`${hash.slice(0, 8)}…${hash.slice(-6)}`}
    </Link>
  )
}
