import { describeDisposal } from './disposal.contract.js';
import { describeDisposalEnd } from './disposal-end.contract.js';

describeDisposal('with builds watched');
describeDisposalEnd('with builds watched');
