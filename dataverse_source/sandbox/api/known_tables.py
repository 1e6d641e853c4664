"""Entity sets of tables that every Dataverse with its usual apps has, so that lacking ones say so.

Source: the ``$metadata`` documents of organizations that public projects hold.
"""

from __future__ import annotations

ENTITY_SETS = frozenset(
    name
    for line in """
    accountleadscollection accounts aciviewmappers actioncards actioncarduserstates
    activitymimeattachments activityparties activitypointers annotations annualfiscalcalendars
    appconfiginstances appconfigmasters appconfigs appmodulecomponents
    appmodulerolescollection appmodules appointments asyncoperations attachments audits
    bookableresourcebookingheaders bookableresourcebookings bookableresourcecategories
    bookableresourcecategoryassns bookableresourcecharacteristics bookableresourcegroups
    bookableresources bookingstatuses bulkdeletefailures bulkdeleteoperations
    bulkoperationlogs bulkoperations businessunitnewsarticles businessunits calendarrules
    calendars campaignactivities campaignactivityitems campaignitems campaignresponses
    campaigns categories channelaccessprofileentityaccesslevels characteristics columnmappings
    competitoraddresses competitorproducts competitors competitorsalesliteratures
    complexcontrols connectionroleassociations connectionroles connections
    constraintbasedgroups contactinvoicescollection contactleadscollection
    contactorderscollection contactquotescollection contacts contractdetails contracts
    contracttemplates customcontroldefaultconfigs customcontrolresources customcontrols
    customeraddresses dataperformances dependencies discounts discounttypes displaystrings
    documenttemplates duplicaterecords duplicateruleconditions duplicaterules
    dynamicproperties dynamicpropertyassociations dynamicpropertyinstances
    dynamicpropertyoptionsetitems emails emailserverprofiles entitlementchannels
    entitlementcontactscollection entitlementproductscollection entitlements
    entitlementtemplatechannels entitlementtemplateproductscollection entitlementtemplates
    entitydataproviders equipments exchangesyncidmappings expiredprocesses faxes feedback
    fieldpermissions fieldsecurityprofiles fixedmonthlyfiscalcalendars goalrollupqueries goals
    importdataset importentitymappings importfiles importjobs importlogs importmaps imports
    incidentknowledgebaserecords incidentresolutions incidents interactionforemails
    invaliddependencies invoicedetails invoices kbarticlecomments kbarticles
    kbarticletemplates knowledgearticlecategories knowledgearticleincidents knowledgearticles
    knowledgearticleviews knowledgebaserecords languagelocale leadaddresses
    leadcompetitorscollection leadproducts leads leadtoopportunitysalesprocesses letters
    listmembers lists lookupmappings mailboxes mailboxtrackingfolders mailmergetemplates
    metrics mobileofflineprofileitemassociations mobileofflineprofileitems
    mobileofflineprofiles monthlyfiscalcalendars navigationsettings newprocesses
    officegraphdocuments opportunities opportunitycloses opportunitycompetitorscollection
    opportunityproducts opportunitysalesprocesses ordercloses organizations ownermappings
    personaldocumenttemplates phonecalls phonetocaseprocesses picklistmappings
    pluginassemblies plugintracelogs plugintypes plugintypestatistics positions postcomments
    postfollows postlikes postregardings posts pricelevels principalentitymaps
    principalobjectaccessset principalobjectattributeaccessset privileges processsessions
    processstages processtriggers productassociations productpricelevels products
    productsalesliteratures productsubstitutes publisheraddresses publishers
    quarterlyfiscalcalendars queueitems queuememberships queues quotecloses quotedetails
    quotes ratingmodels ratingvalues recommendeddocuments recurrencerules
    recurringappointmentmasters reportcategories reports resourcegroups resources
    resourcespecs roleprivilegescollection roles roletemplateprivilegescollection
    roletemplates rollupfields runtimedependencies salesliteratureitems salesliteratures
    salesorderdetails salesorders savedqueries savedqueryvisualizations sdkmessagefilters
    sdkmessageprocessingstepimages sdkmessageprocessingsteps
    sdkmessageprocessingstepsecureconfigs sdkmessages semiannualfiscalcalendars
    serviceappointments servicecontractcontactscollection serviceendpoints services
    sharepointdocumentlocations sharepointsites similarityrules sitemaps sites slaitems
    slakpiinstances slas socialactivities socialprofiles solutioncomponents solutions subjects
    subscriptionmanuallytrackedobjects subscriptionstatisticsofflineset
    subscriptionstatisticsoutlookset subscriptionsyncentriesoffline
    subscriptionsyncentriesoutlook syncerrors systemforms systemuserlicensescollection
    systemuserprofilescollection systemuserrolescollection systemusers
    systemusersyncmappingprofilescollection tasks teammemberships teamprofilescollection
    teamrolescollection teams teamsyncattributemappingprofilescollection teamtemplates
    templates territories themes timestampdatemappings timezonedefinitions
    timezonelocalizednames timezonerules tracelogs transactioncurrencies
    transformationmappings transformationparametermappings translationprocesses uoms
    uomschedules userforms usermappings userqueries userqueryvisualizations
    usersettingscollection webresourceset webwizards workflowlogs workflows
    """.splitlines()
    for name in line.split()
)


def is_lacking(name: str) -> bool:
    """Whether an entity set is one of Dataverse's own that the default catalogue lacks."""
    from dataverse_source.sandbox.schema.catalog import default_schema

    return name in ENTITY_SETS and name not in default_schema().by_entity_set
