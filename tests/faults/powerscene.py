"""What a scenario of powercut is like."""

from libwm.follow import until

LARGE = 47  # load.size_of() makes it 300,000 bytes


class Scenario:
    """What most of them are like."""

    name = ""
    targets = ()           # (daemon, are its threads told apart)
    users = ("u1",)
    crashed = False        # the state is that of a killed suite
    starts_it = False      # act() starts the suite
    quiet_s = 0            # background work that comes after act()
    retry = 1, 2           # seconds
    play = None

    def config(self):
        return ""

    def set_up(self, ledger):
        """Before the copy is made that every run begins with."""

    def begin(self, ledger):
        """Before a run starts."""

    def act(self, ledger, wrap):
        raise NotImplementedError

    def power_is_back(self):
        """Before the suite starts again."""

    def settled(self, ledger, view):
        """Has all that goes on by itself come to its end?"""
        del ledger, view
        return True

    def arrivals(self, view):
        """How many mails have come to where they belong."""
        return sum(len(b.mails) for b in view.boxes.values())

    def check(self, ledger, view):
        """More than what powerplay looks at."""

    def probe(self, ledger):
        """Service is back by itself: a new mail goes its way."""
        number = 990001
        with ledger.smtp() as s:
            ledger.send(s, number, [self.users[0]])
        def there():
            with ledger.imap(self.users[0], "INBOX") as c:
                return c.ok("UID SEARCH HEADER X-Number %d" % number) != [
                    b"* SEARCH"]
        until(there, "a new mail", 30, step=0.05)

    def close(self):
        pass
