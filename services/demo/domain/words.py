"""Words that the demo's leads are made of; all people and companies are invented."""

FIRST_NAMES = (
    "José María Chloé Zoë Renée André Ana Luis Priya Wei Aisha Omar Grace Noah Emma Liam Olivia Mateo Sofia Ethan Maya"
    " Jonas Ingrid Tomás Yuki Hana Kofi Amara Diego Lucía Björn Marta Pavel Irina Samir Leila Hugo Nina Felix Clara"
).split()
LAST_NAMES = (
    "García Müller Nguyen Smith Johnson Okafor Silva Rossi Dubois Kowalski Haddad Tanaka Kim Patel Brown O'Neill"
    " Martínez Jørgensen Novák Costa Meyer Lefèvre Andersson Ortiz Reyes Hughes Walsh Romano Schmidt Petrov Sato Chen"
).split()
COMPANY_FIRST = (
    "Blue Golden Copper Rustic Little Harbor Maple Cedar Velvet Salt Ember Juniper Saffron Basil Olive Stone Silver"
    " Sunny Old Wild Urban Coastal Prairie Canyon"
).split()
COMPANY_SECOND = (
    "Fork Spoon Table Kitchen Oven Grill Pantry Whisk Skillet Ladle Platter Hearth Garden Bistro Tavern Cellar Harvest"
    " Orchard Market Mill"
).split()
INDUSTRIES = (
    ("restaurant", "Restaurant"),
    ("catering", "Catering"),
    ("hotel", "Hotel & Resort"),
    ("bakery", "Bakery"),
    ("school cafeteria", "School Dining"),
    ("hospital kitchen", "Healthcare Dining"),
    ("restaurant", "Dining Room"),
    ("catering", "Events"),
)
"""What a company is, and what its name ends with."""

TITLES = (
    "Owner;Executive Chef;Purchasing Director;Director of Operations;General Manager;Chef;Food & Beverage Director;"
    "Kitchen Manager;Head of Catering;Procurement Lead"
).split(";")
PAIN_POINTS = (
    "late deliveries;rising food cost;too many suppliers;manual ordering;food waste;inconsistent quality;"
    "no allergen data;paper invoices"
).split(";")
SOLUTIONS = "Regional distributor;Cash and carry;Three local suppliers;Broadliner;Spreadsheet".split(";")
NUMBERS = {"covers": (20, 900), "locations": (1, 12)}
"""The least and the most of attributes that are shipped."""
TEXTS = {"distributor": ("Sysco", "US Foods", "Gordon Food Service", "Performance Food Group", "Baldor")}
TERRITORIES = "CA NY TX FL IL WA OR MA GA CO AZ NV NC PA OH".split()
AREA_CODES = (
    "201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 224 225 228 229 231 234 239 240 248 251 252 253"
    " 254 256 260 262 267 269 270 276 281 301 302 303"
).split()
ACTIVITIES = {
    "email": "Sent the product overview",
    "call": "Talked through the ordering process",
    "meeting": "Met at their kitchen",
    "demo": "Showed the ordering app",
    "follow_up": "Asked for the current price list",
}
ENGAGEMENTS = (
    "opened_email opened_email opened_email clicked_pricing downloaded_whitepaper visited_multiple_pages".split()
)
OUTCOMES = "interested;asked for prices;call again next week;sent to purchasing".split(";")
SALES = "robin.sales sam.sales alex.sales kim.catering dana.key-accounts".split()
