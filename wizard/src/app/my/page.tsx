import type { Metadata } from 'next'
import { pageTitle } from '../../i18n/server.ts'
import { MyVms } from '../../vms/MyVms.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('my.title')

export default function Page() {
  return <MyVms />
}
