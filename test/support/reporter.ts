// The spec reporter, and a closing line that says how it went: `N passed, N failed`.
import Mocha from 'mocha';

class Reporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(`${passes} passed, ${failures} failed${pending > 0 ? `, ${pending} skipped` : ''}`);
  }
}

// Mocha loads reporters with require(); this is the name under which Node hands a module's one export to that.
export { Reporter as 'module.exports' };
