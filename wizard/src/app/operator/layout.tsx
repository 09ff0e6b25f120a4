import type { ReactNode } from 'react'
import { OperatorFrame } from '../../operator/OperatorFrame.tsx'

export default function Layout({ children }: { children: ReactNode }) {
  return <OperatorFrame>{children}</OperatorFrame>
}
