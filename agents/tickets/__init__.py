"""Support tickets: `reader.py` reads them."""

from agents.tickets.reader import CATEGORIES, PRIORITIES, SENTIMENTS, Ticket, TicketAgent, TicketOpinion

__all__ = ["CATEGORIES", "PRIORITIES", "SENTIMENTS", "Ticket", "TicketAgent", "TicketOpinion"]
