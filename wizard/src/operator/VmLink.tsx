import Link from 'next/link'
import type { ReactNode } from 'react'
import { classes } from '../ui/classes.ts'
import { textLink } from '../ui/link-button.ts'

/** To the page of a VM, by its name, which does not break at its hyphen. */
export function VmLink({ vmId, children = `vm-${vmId.split('-')[1]}` }: { vmId: string; children?: ReactNode }) {
  return (
    <Link href={`/vms/${vmId}`} className={classes(textLink, 'whitespace-nowrap')}>
      {children}
    </Link>
  )
}
