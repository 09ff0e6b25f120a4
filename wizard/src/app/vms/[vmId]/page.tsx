import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { shortSubject } from '../../../operator/short-subject.ts'
import { VmPage } from '../../../vms/VmPage.tsx'

interface Props {
  params: Promise<{ vmId: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return pageTitle('vm.title', { name: shortSubject((await params).vmId.slice(0, 100)) })
}

export default async function Page({ params }: Props) {
  return <VmPage vmId={(await params).vmId} />
}
